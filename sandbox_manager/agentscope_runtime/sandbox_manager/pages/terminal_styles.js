// Lets xterm.js style itself under our policy, which allows no style in the page but those of our own files.
// xterm.js makes <style> elements and style attributes. The same through the CSSOM needs no exception: a style sheet
// that a script constructs, and the properties of `element.style`. Imported before xterm.js, by its page only.

const make = document.createElement.bind(document);

/** Make what looks like a <style> element to the one who fills it, and fills a constructed style sheet. */
function standIn() {
  const sheet = new CSSStyleSheet();
  const element = make("meta");
  let written = "";
  Object.defineProperty(element, "textContent", {
    get: () => written,
    set: (text) => {
      written = text;
      sheet.replaceSync(text);
    },
  });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((each) => each !== sheet);
    Element.prototype.remove.call(element);
  };
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  return element;
}

document.createElement = (name, options) => (name === "style" ? standIn() : make(name, options));

const setAttribute = Element.prototype.setAttribute;

Element.prototype.setAttribute = function (name, value) {
  if (name === "style") this.style.cssText = value;
  else setAttribute.call(this, name, value);
};

/** Apply a whole style sheet that comes as text. */
export function adopt(css) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}
