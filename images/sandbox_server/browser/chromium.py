"""The browser program of the box: one Chromium on the desktop, its own sandbox on, reachable by CDP on loopback.

Whoever drives it may open any file:// address and put downloads anywhere, so it runs in user, mount and pid namespaces
of its own: the server's secrets and processes are not there, its configuration cannot be written, and code cannot be
loaded from any place that can. Not here: what is done with its pages (`part`), and when it is started again.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence

from sandbox_server.config import BoxConfig
from sandbox_server.desktop.xserver import own_home, screen_size
from sandbox_server.land.child import Child
from sandbox_server.parts import PartFailed

PROGRAM = "/usr/lib/chromium/chromium"  # Debian's wrapper script adds flags that we do not want
CDP_PORT = 9222
LISTENING = re.compile(r"DevTools listening on (ws://\S+)")

CONFINE = """set -e
mount -t tmpfs -o ro,size=4k,nr_inodes=1,mode=0 none "$1"
mount -o bind "$2/state" "$2/state"
trust=$2/home/.pki/nssdb
if [ -e "$trust/pkcs11.txt" ]; then
    mount -o bind "$trust" "$trust"
    mount -o bind "$trust/pkcs11.txt" "$trust/pkcs11.txt"
    mount -o remount,bind,ro,noexec,nosuid,nodev "$trust/pkcs11.txt"
fi
mount -o remount,bind,ro,noexec,nosuid,nodev "$2"
for place in "$3" "$4" /tmp; do mount -o remount,bind,noexec,nosuid,nodev "$place"; done
shift 4
exec setpriv --inh-caps=-all --ambient-caps=-all "$@"
"""
"""What it sees. $1: the server's folder, masked. $2: the desktop's, of which only `state` can be written, and what it
trusts, which NSS does not open otherwise, without the list of NSS's modules. $3, $4: the user's; no code from there."""

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

    def __init__(self, config: BoxConfig, screen: Mapping[str, str], flags: Sequence[str] = FLAGS) -> None:
        """Draw on the desktop that this environment leads to."""
        self._flags = flags
        self._config = config
        self._screen = screen
        self._home = config.desktop_dir / "home"
        self._state = config.desktop_dir / "state"
        self._profile = self._state / "profile"
        self._child: Child | None = None

    async def launch(self, page: str = "about:blank") -> str:
        """Start it with this page and return the address of its CDP WebSocket.

        Raises:
            PartFailed: it ended instead of listening.
        """
        for folder in (self._home, self._profile, *(self._state / name for name in ("cache", "crashes", "tmp"))):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for lock in self._profile.glob("Singleton*"):
            lock.unlink(missing_ok=True)  # left by a killed one; only we start it
        self._child = Child("Chromium", self._command(page), self._environment())
        await self._child.start()
        return (await self._child.printed(LISTENING))[1]

    def log_tail(self) -> str:
        """Return the end of what it printed."""
        return self._child.log_tail() if self._child is not None else ""

    def runs(self) -> bool:
        """Return whether it was launched, and has not ended."""
        return self._child is not None and self._child.alive()

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
        await self._certutil("-N", "--empty-password")
        await self._certutil("-B", "-i", str(commands))

    async def _certutil(self, *arguments: str) -> None:
        database = f"sql:{self._home / '.pki' / 'nssdb'}"
        child = Child("certutil", ["certutil", "-d", database, *arguments], own_home(self._home))
        await child.start()
        if await child.ended():
            raise PartFailed(await child.obituary())

    def _environment(self) -> dict[str, str]:
        places = {"XDG_CACHE_HOME": str(self._state / "cache"), "TMPDIR": str(self._state / "tmp")}
        places["BREAKPAD_DUMP_LOCATION"] = str(self._state / "crashes")
        return {**own_home(self._home), **places, **self._screen, **_NO_DBUS}

    def _command(self, page: str) -> list[str]:
        confined = ["unshare", "--user", "--map-current-user", "--keep-caps", "--mount", "--pid", "--fork"]
        confined += ["--mount-proc", "--kill-child", "sh", "-c", CONFINE, "sh"]
        config = self._config
        extra = shlex.split(os.environ.get("CHROMIUM_EXTRA_ARGS", ""))  # the operator's, fixed with the container
        return [
            *confined,
            *(str(place) for place in (config.run_dir, config.desktop_dir, config.home, config.workspace)),
            PROGRAM,
            f"--user-data-dir={self._profile}",
            # The whole screen from the beginning: it may be drawn before the window manager is there to enlarge it.
            f"--window-size={','.join(str(side) for side in screen_size())}",
            "--window-position=0,0",
            *self._flags,
            *extra,
            page,
        ]


_NO_DBUS = {"DBUS_SESSION_BUS_ADDRESS": "disabled:", "DBUS_SYSTEM_BUS_ADDRESS": "disabled:"}
