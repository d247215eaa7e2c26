"""The pages that the browser tools are tried on; each keeps what happened to it in `window.did`."""

START = "<script>window.did = []; const did = thing => window.did.push(thing)</script>"

PAGES = {
    "/": f"""<title>Home</title>{START}<h1>Home</h1>
        <a href="/second">Second page</a> <a href="/second" target="_blank">New tab</a>
        <script>console.log("hello", 7); console.error("bad thing")</script>
        <script>fetch("/data").then(() => did("fetched"))</script>""",
    "/data": "[1]",
    "/second": f"<title>Second</title>{START}<h1>Second page</h1><p>of two</p>",
    "/form": f"""<title>Form</title>{START}
        <form action="/posted" method="post"><label>Name <input name="name" onkeydown="did(event.key)"></label></form>
        <label>Colour <select id="colour" multiple onchange="did('chosen')">
          <option value="r">Red</option><option value="g">Green</option><option value="b">Blue</option></select></label>
        <button onclick="did('clicked')" onmouseover="did('over')">Press</button>
        <button id="late" onclick="setTimeout(() => fetch('/data').then(() =>
          this.insertAdjacentHTML('afterend', '<p>Arrived</p>')))">Load</button>
        <div draggable="true" role="button" aria-label="Cargo" style="width:80px;height:40px;background:tan"
          ondragstart="event.dataTransfer.setData('text', 'cargo')">Cargo</div>
        <div role="button" aria-label="Ship" style="width:120px;height:80px;background:teal"
          ondragover="event.preventDefault()" ondrop="did(event.dataTransfer.getData('text'))">Ship</div>
        <div role="button" aria-label="Keys" tabindex="0" onkeydown="did(event.key)">Keys</div>""",
    "/dialogs": f"""<title>Dialogs</title>{START}
        <button onclick="did(alert('Mind the gap'))">Alert</button>
        <button onclick="did(confirm('Sure?'))">Confirm</button>
        <button onclick="did(prompt('Who?', 'nobody'))">Prompt</button>
        <button onclick="window.open('/second')">Open</button>""",
    "/greeting": f"<title>Greeting</title>{START}<script>alert('Welcome')</script><h1>Inside</h1>",
    "/upload": f"""<title>Upload</title>{START}
        <label>One <input type="file" id="one" onchange="did([...files].map(f => f.name).join())"></label>
        <label>Many <input type="file" multiple onchange="did([...files].map(f => f.name).join())"></label>""",
    "/frames": f"""<title>Frames</title>{START}
        <iframe srcdoc="<button onclick=&quot;parent.window.did.push('inner')&quot;>Inner</button>"></iframe>""",
    "/busy": f"""<title>Busy</title>{START}<button onclick="for (;;);">Hang</button>""",
    "/leaving": f"""<title>Leaving</title>{START}<button onclick="this.remove()">Going</button><p>Stays</p>""",
    "/waiting": f"""<title>Waiting</title>{START}<p id="old">Old news</p>
        <script>setTimeout(() => old.remove(), 300)</script>
        <script>setTimeout(() => document.body.insertAdjacentHTML("beforeend", "<p>Fresh news</p>"), 600)</script>""",
    "/colours": """<title>Colours</title><body style="margin:0;background:#c0392b">
        <div role="button" aria-label="Box" style="width:200px;height:100px;background:#27ae60"></div>""",
    "/downloads": """<title>Downloads</title><a href="/file">Get it</a>""",
    "/covered": """<title>Covered</title><button>Below</button>
        <div style="position:fixed;inset:0;background:#fff8"></div>""",
}
