"""Network interfaces, sound cards and processors; kill -9 during starts and around them."""
import contextlib
import pathlib
import time

import vm
from machine import LONG, Machine, expect, named

CHECKS = 20


def run(report, programs):
    with Machine(programs, "xhci_pci snd_usb_audio e1000e",
                 [*vm.USB, "-audiodev", "none,id=snd", *vm.pci_ports(2)]) as m:
        def check(name):
            return report.check(f"kinds: {name}", m)

        m.must("modprobe -a xhci_pci snd_usb_audio e1000e")
        with check("booted with none of them, each unit names its own"):
            m.launch()
            m.complete()
            for unit, fact in {"first-net": "first network interface", "sound": "sound card",
                               "cores": "at least 2 cpu"}.items():
                expect(f"missing for {unit}", m.missing(unit), [fact])
            m.never("first-net", "sound", "cores", "ntpdate", "alsa")
        with check("cpu: powernowd has started for the one that is there, once the machine has settled"):
            m.wait("unit powernowd done")
            expect("calls of cpufrequtils", [(c.verb, c.action) for c in m.started("cpufrequtils")], [("start", "")])
        network(m, check)
        sound(m, check)
        processors(m, check)
        crashes(m, check)


def card_in(m, n):
    """Plugs a network card in.  Without a boot ROM, which not every host has."""
    m.guest.plug("e1000e", f"net{n}", bus=f"port{n}", romfile="")


def network(m, check):
    ours = ("first-net",)
    with check("net: the first e1000e starts `first network interface only`") as notes:
        m.clear_kernel_log()
        card_in(m, 1)
        m.wait("network interface")
        m.once("first-net", state="done")
        winner = m.started("first-net")[0].devpath
        expect("interface", pathlib.PurePath(winner).name, "eth0")
        notes.append(m.delay("first-net"))
    with check("net: the second starts nothing"):
        card_in(m, 2)
        m.wait("exactly 2 network interfaces")
        m.once(*ours, state="done")
    with check("net: both pulled and plugged in again start nothing"):
        eject(m, "net1", "net2")
        m.wait("no network interface")
        m.once(*ours, state="done")
        card_in(m, 2)
        m.wait("exactly 1 network interface")
        m.once(*ours, state="done")
        card_in(m, 1)
        m.wait("exactly 2 network interfaces")
        m.once(*ours, state="done")


def eject(m, *ids):
    """Pulls PCI devices out, all at once: the kernel takes its time with each."""
    m.guest.unplug(ids[0])
    for id in ids[1:]:
        m.guest.qmp("device_del", id=id)
    end = time.monotonic() + LONG
    asked = time.monotonic()
    while left := [id for id in ids if id not in {e["data"].get("device") for e in m.guest.events
                                                  if e["event"] == "DEVICE_DELETED"}]:
        if time.monotonic() > end:
            raise vm.GuestTimeout(f"{', '.join(left)} still plugged in after {LONG} s")
        if time.monotonic() > asked + 20:
            asked = time.monotonic()
            for id in left:
                with contextlib.suppress(vm.GuestError):
                    m.guest.qmp("device_del", id=id)
        time.sleep(0.05)
        m.guest.qmp("query-status")          # reads the events that have come


def audio_in(m, id):
    m.guest.plug("usb-audio", id, bus="usb.0", audiodev="snd")


def audio_out(m, *ids):
    for id in ids:
        m.guest.unplug(id)
    m.until("! ls -d /sys/class/sound/card*")


def sound(m, check):
    with check("sound: usb-audio starts `sound card present`, and alsa") as notes:
        m.clear_kernel_log()
        audio_in(m, "snd1")
        m.wait("sound card")
        m.once("sound")
        m.once("alsa@card0", state="done")
        notes += [m.delay("sound"), m.delay("alsa-utils")]
    with check("sound: another card starts alsa for that card, and `sound card present` not"):
        audio_in(m, "snd2")
        m.wait("exactly 2 sound cards")
        m.until("grep -c /alsa-utils /var/log/ends | grep -q -v '^[01]$'")
        expect("calls of alsa-utils", [c.action for c in m.started("alsa-utils")], ["add", "add"])
        m.once("sound")


def processors(m, check):
    with check("cpu: one that is plugged in and offline starts nothing"):
        m.guest.plug_cpu("cpu1")
        m.wait("device[name = \"cpu1\"]")
        expect("processors online", len(m.devmux("devices", "cpu")), 1)
        m.never("cores")
    with check("cpu: set online it starts `at least 2 cpu`") as notes:
        m.clear_kernel_log()
        m.must("echo 1 >/sys/devices/system/cpu/cpu1/online")
        m.wait("at least 2 cpu")
        m.once("cores")
        notes.append(m.delay("cores"))


def crashes(m, check):
    held = ("slow", "first-sound")          # tasks for a sound card; the scripts are held
    begun = "grep -q /slow /var/log/starts && grep -q /first-sound /var/log/starts"

    def fresh():
        audio_out(m, *(d["name"] for d in m.guest.qmp("qom-list", path="/machine/peripheral")
                       if d["type"] == "child<usb-audio>"))
        m.forget()
        m.must("touch /tmp/hold/slow /tmp/hold/first-sound")
        m.launch()
        m.complete()
        m.never(*held)
        audio_in(m, "snd1")
        m.until(begun)
        return [m.devmux("status", unit)["pid"] for unit in held]

    m.once(*held, state="done")         # what is still on its way would be taken for what comes
    pids = []
    with check("kill -9: scripts under way live on, and are adopted by the next daemon"):
        pids = fresh()
        m.kill(9)
        m.must(f"kill -0 {pids[0]} && kill -0 {pids[1]}")
        m.launch()
        m.complete()
        for unit, pid in zip(held, pids):
            found = m.devmux("status", unit)
            expect(f"{unit} is", (found["state"], found["pid"]), ("starting", pid))
            expect(f"calls of {unit}", len(m.started(unit)), 1)
    with check("kill -9: adopted scripts are seen to their end and did not run twice"):
        m.must("rm /tmp/hold/*")
        m.once(*held, state="done")
        for unit in held:
            expect(f"ends of {unit}", m.ended(unit), 1)
    with check("kill -9: `first` is not forgotten, and the others see a new false to true"):
        audio_out(m, "snd1")
        m.wait("no sound card")
        audio_in(m, "snd2")
        m.wait("sound card")
        m.until("grep -c '/slow ' /var/log/ends | grep -q -v '^[01]$'")
        expect("calls of slow", len(m.started("slow")), 2)
        m.once("first-sound", state="done")
    with check("kill -9: what ended while nobody watched is not run again, nor by a card that came meanwhile"):
        fresh()
        m.kill(9)
        m.must("rm /tmp/hold/*")
        m.until("grep -q '/slow ' /var/log/ends && grep -q '/first-sound ' /var/log/ends")
        audio_in(m, "snd2")
        m.until("test -e /sys/class/sound/card1")
        m.launch()
        m.complete()
        m.once(*held, state="done")
        m.once("sound")
        m.wait("exactly 2 sound cards")
        for card in ("snd1", "snd2"):
            m.guest.unplug(card)
        m.wait("no sound card")
        audio_in(m, "snd1")
        m.wait("sound card")
        m.once("first-sound", state="done")
    # Killed around the start itself, where the intent, the process and its mark are a few ms apart.
    units = [*held, "sound", "alsa@card0", "cores"]
    for delay in ("before it", 0, .005, .01, .02, .04, .08):
        name = delay if isinstance(delay, str) else f"{1000 * delay:.0f} ms after it"
        with check(f"kill -9 at the start, {name}: each script once") as notes:
            m.forget()
            word = "in force" if isinstance(delay, str) else "starting"
            m.launch(f"until grep -q '{word}' $log; do :; done")
            m.must(f"sleep {delay if not isinstance(delay, str) else 0}; kill -9 $pid; wait $pid; true")
            before = sum(len(m.started(script)) for _, script in named(units))
            m.launch()
            m.complete()
            m.once(*held, "alsa@card0", state="done")
            m.once("sound", "cores")
            notes.append(f"{before} of {len(units)} had begun")
