"""The browser program of the box: one Chromium on the desktop, its own sandbox on, reachable by CDP on loopback.

It runs in a user and mount namespace of its own in which the server's secrets are masked: whoever drives it may open
any file:// address. Not here: what is done with its pages (browser), and when it is started again.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from sandbox_server.child import Child
from sandbox_server.parts import PartFailed

PROGRAM = "/usr/lib/chromium/chromium"  # Debian's wrapper script adds flags that we do not want
CDP_PORT = 9222
LISTENING = re.compile(r"DevTools listening on (ws://\S+)")

CONFINE = 'mount -t tmpfs -o size=4k,mode=0 none "$1" && shift && exec setpriv --inh-caps=-all --ambient-caps=-all "$@"'

FEATURES_OFF = (
    "WebUIOmniboxPopup",  # the address bar's list as a web page: two renderers, 80 MiB
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
    "PreloadTopChromeWebUI",
    "Translate",  # the next ones ask servers of the vendor
    "OptimizationHints",
    "AimEnabled",
    "NetworkTimeServiceQuerying",
    "PreconnectToSearch",
    "SkipListAccountsWithoutGaiaCookies",
    "AutofillServerCommunication",
    "MediaRouter",
    "DialMediaRouteProvider",
    "CertificateTransparencyComponentUpdater",
    "GlobalMediaControls",
    "HttpsUpgrades",  # a plain http:// address is what was asked for
    "HttpsFirstBalancedModeAutoEnable",
    "AvoidUnnecessaryBeforeUnloadCheckSync",  # the next ones are what Playwright counts on
    "PaintHolding",
    "DestroyProfileOnBrowserClose",  # the tools hold on to the profile when its last window closes
    "LensOverlay",
)

FLAGS = (
    f"--remote-debugging-port={CDP_PORT}",  # listens on 127.0.0.1 only
    f"--disable-features={','.join(FEATURES_OFF)}",
    "--no-first-run",
    "--no-default-browser-check",
    "--start-maximized",
    "--hide-crash-restore-bubble",  # after an end by force the next start shows the page, not a question
    "--keep-alive-for-test",  # closing the last window must not end the browser; needs extensions to be possible
    "--password-store=basic",
    "--disable-gpu",  # there is none; the compositor paints in software
    "--enable-unsafe-swiftshader",  # WebGL in software, started when a page asks for it
    "--disable-back-forward-cache",  # a page that comes out of it never loads, and Playwright would wait for that
    "--allow-pre-commit-input",
    "--disable-component-extensions-with-background-pages",
    "--disable-default-apps",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
    "--disable-field-trial-config",
    "--disable-breakpad",
    "--metrics-recording-only",
    "--disable-search-engine-choice-screen",
    "--no-pings",
    "--disable-background-timer-throttling",  # tools also drive pages behind the front tab
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-popup-blocking",  # what a page opens is a tab that the tools list
    "--disable-prompt-on-repost",
    "--disable-hang-monitor",  # tools have time-outs; its dialog would block the screen
    "--force-color-profile=srgb",
)


class Chromium:
    """The one browser process; may be launched again after its end."""

    def __init__(self, home: Path, secrets: Path, display: str) -> None:
        """Draw on this display; `secrets` is the folder that its files must not reach."""
        self._home = home
        self._secrets = secrets
        self._display = display
        self._profile = home / "chromium"
        self._child: Child | None = None

    async def launch(self) -> str:
        """Start it and return the address of its CDP WebSocket.

        Raises:
            PartFailed: it ended instead of listening.
        """
        for lock in self._profile.glob("Singleton*"):
            lock.unlink(missing_ok=True)  # left by a killed one; only we start it
        self._child = Child("Chromium", self._command(), {"DISPLAY": self._display, **_NO_DBUS})
        await self._child.start()
        return (await self._child.printed(LISTENING))[1]

    def last_words(self) -> str:
        """Return the end of what it printed."""
        return self._child.last_words() if self._child is not None else ""

    async def stop(self) -> None:
        """End it."""
        if self._child is not None:
            await self._child.stop()

    async def trust(self, pem: str) -> None:
        """Make it trust the certificates of a PEM bundle; it reads them when it is launched.

        Raises:
            PartFailed: the bundle has no certificate, or the database refuses one.
        """
        certificates = re.findall(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", pem, re.DOTALL)
        if not certificates:
            raise PartFailed("the CA bundle has no certificate in PEM form")
        database = self._home / ".pki" / "nssdb"
        database.mkdir(parents=True, exist_ok=True, mode=0o700)
        batch = []
        for number, certificate in enumerate(certificates):
            path = database / f"added-{number}.pem"
            path.write_text(certificate + "\n")
            batch.append(f'-A -n "added {number}" -t C,, -a -i {path}')
        commands = database / "added.batch"
        commands.write_text("\n".join(batch) + "\n")
        await _certutil(database, "-N", "--empty-password")
        await _certutil(database, "-B", "-i", str(commands))

    def _command(self) -> list[str]:
        confined = ["unshare", "--user", "--map-current-user", "--keep-caps", "--mount", "sh", "-c", CONFINE, "sh"]
        extra = shlex.split(os.environ.get("CHROMIUM_EXTRA_ARGS", ""))  # the operator's, fixed with the container
        return [
            *confined,
            str(self._secrets),
            PROGRAM,
            f"--user-data-dir={self._profile}",
            *FLAGS,
            *extra,
            "about:blank",
        ]


_NO_DBUS = {"DBUS_SESSION_BUS_ADDRESS": "disabled:", "DBUS_SYSTEM_BUS_ADDRESS": "disabled:"}


async def _certutil(database: Path, *arguments: str) -> None:
    child = Child("certutil", ["certutil", "-d", f"sql:{database}", *arguments])
    await child.start()
    if await child.ended():
        raise PartFailed(await child.obituary())
