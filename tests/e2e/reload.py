"""Units and classes that change under a running daemon: reload, SIGHUP, masks, replacements, drop-ins."""
import signal

from checks import contains, equal, eventually, test


@test
def reload_takes_up_what_changed(p):
    link = f"while: 'network interface[name = \"{p.name('v')}\"]'\n"
    p.unit("same", link + p.command(stop=True))
    p.unit("changed", link + p.command(stop=True))
    p.unit("breaks", link + p.command(stop=True))
    p.unit("gone", link + p.command(stop=True))
    p.unit("idle", p.command())
    p.add_link("v")
    d = p.daemon()
    for unit in ("same", "changed", "breaks", "gone"):
        d.until_state(unit, "active")
    p.unit("changed", "description: new\n" + link + p.command(stop=True, word="new"))
    p.unit("breaks", "nonsense: 1\n" + link + p.command(stop=True))
    p.unit("added", link + p.command(stop=True))
    for unit in ("gone", "idle"):
        (p.units / f"{unit}.yaml").unlink()
    got = d.json("reload", code=1)
    equal({k: got[k] for k in ("added", "changed", "removed", "kept")},
          {"added": ["added"], "changed": ["changed"], "removed": ["gone", "idle"], "kept": ["breaks"]}, "reload")
    contains(got["errors"][0], "breaks.yaml:1:1: unknown key \"nonsense\"", "the error")
    d.until_state("added", "active")
    equal([d.state("gone"), d.unit("breaks")["changed_on_disk"]], ["orphaned", True], "states")
    d.ask("status", "idle", code=4)
    contains(d.ask("status").stdout, "the last good one is in force", "status of the broken one")
    d.ask("start", "gone", code=5)
    d.ask("stop", "gone")
    p.del_link(p.name("v"))
    for unit in ("same", "changed", "breaks", "added"):
        d.until_state(unit, "waiting")
    runs = [r.argv for r in p.runs() if r.env["DEVMUX_UNIT"] == "changed"]
    equal(runs, [["start"], ["stop", "new"]], "what is in force is the new one; nothing was started again")
    equal([r.argv[0] for r in p.runs("gone")], ["start", "stop"], "the orphan was stopped by hand alone")
    equal(d.json("reload", code=1)["kept"], ["breaks"], "still kept")
    p.unit("breaks", link + p.command(stop=True))
    equal(d.json("reload")["errors"], [], "mended")
    equal(d.unit("breaks")["changed_on_disk"], False, "mended")


@test
def sighup_reloads(p):
    d = p.daemon()
    p.unit("u", p.command())
    d.process.send_signal(signal.SIGHUP)
    eventually(lambda: d.ask("status", "u", code=None).returncode == 0, "the new unit is there")
    d.until_log("1 units and 28 classes in force")


@test
def reload_keeps_classes_and_jobs(p):
    """A class that comes with a reload, and goes; a job that runs over it."""
    p.unit("job", p.command(stop=True, then=f"until [ -e {p.out}/.gate ]; do sleep 0.02; done"))
    d = p.daemon()
    d.ask("start", "--no-wait", "job")
    p.until_runs("job", 1)
    p.unit("classes.d/own", f"class: gadget\nsubsystem: net\nmatch: 'name ~ \"{p.tag}*\"'\n")
    p.unit("u", "while: gadget\n" + p.command(stop=True))
    equal(d.json("reload")["added"], ["u"], "added")
    p.add_link("v")
    d.until_state("u", "active")
    equal(len(d.json("devices", "gadgets")), 2, "devices of the class, in its plural")
    (p.units / "classes.d/own.yaml").unlink()
    d.json("reload", code=1)
    contains(d.ask("reload", code=1).stderr, 'u.yaml:1:8: while: "gadget" is no class', "the unit cannot be read now")
    (p.out / ".gate").touch()
    d.until_state("job", "active")
    equal(len(p.runs("job")), 1, "the job ran on")


@test
def masks_replacements_and_drop_ins(p):
    other = p.dir / "etc.d"
    (other / "narrow.yaml.d").mkdir(parents=True)
    link = f"network interface[name = \"{p.name('v')}\"]"
    for unit in ("masked", "replaced", "narrow"):
        p.unit(unit, f"while: '{link}'\n" + p.command(stop=True))
    (other / "masked.yaml").symlink_to("/dev/null")
    (other / "replaced.yaml").write_text(f"description: other\nwhile: '{link}'\n" + p.command(stop=True, word="other"))
    (other / "narrow.yaml.d/more.yaml").write_text("and-when: file /go exists\nenvironment: {DROPPED: in}\n")
    d = p.daemon(units=[p.units, other])
    p.add_link("v")
    d.until_state("replaced", "active")
    d.barrier()
    equal([d.state("masked"), d.state("narrow")], ["masked", "waiting"], "states")
    contains(d.ask("explain", "narrow").stdout, "/go", "the drop-in's condition is missing")
    (p.root / "go").touch()
    d.until_state("narrow", "active")
    equal(p.runs("narrow")[0].env.get("DROPPED"), "in", "environment of the drop-in")
    equal(p.runs("replaced")[0].argv, ["start", "other"], "the later folder wins")
    contains(d.ask("start", "masked", code=5).stderr, "masked", "it cannot be started")
    (other / "masked.yaml").unlink()
    equal(d.json("reload")["added"], ["masked"], "without the mask")
    d.until_state("masked", "active")


@test
def a_change_is_seen_at_once_among_many(p):
    """Where a look at the folders takes long: who asks, changes a file and asks again is told."""
    for n in range(1000):
        p.unit(f"u.yaml.d/{n:04}", "task: true\n")
    p.unit("u", p.command())
    d = p.daemon()
    for _ in range(3):
        equal(d.unit("u")["changed_on_disk"], False, "as it was read")
        p.unit("u.yaml.d/new", "task: true\ndescription: d\n")
        equal(d.unit("u")["changed_on_disk"], True, "changed at once")
        (p.units / "u.yaml.d/new.yaml").unlink()


@test
def what_changed_on_disk_is_told(p):
    """Without a reload: a unit that was written again, by a drop-in or its class too, went, came, broke, was masked."""
    units = ("changed", "dropped", "gone", "breaks", "masked", "same", "touched")
    for unit in units:
        p.unit(unit, "description: d\n" + p.command(stop=True))
    d = p.daemon()

    def on_disk():
        return {u["name"]: u["on_disk"] for u in d.json("list") if u["changed_on_disk"]}
    equal(on_disk(), {}, "nothing changed")
    equal(d.status()["on_disk"], {}, "the engine says so")
    p.unit("changed", "description: else\n" + p.command(stop=True))
    (p.units / "dropped.yaml.d").mkdir()
    (p.units / "dropped.yaml.d/x.yaml").write_text("environment: {A: b}\n")
    (p.units / "gone.yaml").unlink()
    p.unit("breaks", "nonsense: 1\n")
    (p.units / "masked.yaml").unlink()
    (p.units / "masked.yaml").symlink_to("/dev/null")
    p.unit("added", p.command())
    p.unit("touched", (p.units / "touched.yaml").read_text())
    p.unit("classes.d/own", "class: gadget\nsubsystem: net\nmatch: 'name ~ \"x*\"'\n")
    found = {"changed": "changed", "dropped": "changed", "gone": "gone", "breaks": "broken", "masked": "masked", "added": "new"}
    equal(on_disk(), found, "what is told; who was only touched is as before")
    equal(d.status()["on_disk"], {"changed": ["changed", "dropped"], "gone": ["gone"], "broken": ["breaks"],
                                  "masked": ["masked"], "new": ["added"], "classes": ["gadget"]}, "of all")
    contains(d.ask("status").stdout, "6 units and 1 class changed on disk: devmux reload", "for people")
    contains(d.ask("status", "changed").stdout, "on disk: changed on disk: devmux reload", "of one")
    contains(d.ask("list").stdout, "its file is gone from the disk", "in the list")
    contains(d.unit("breaks")["errors"][0], 'breaks.yaml:1:1: unknown key "nonsense"', "why it is broken")
    equal(d.state("added"), "new", "a unit that is not loaded yet")
    contains(d.ask("start", "added", code=5).stderr, "devmux reload", "the next step")
    d.ask("start", "breaks", "gone")  # what is in force is in force
    d.json("reload", code=1)
    equal([on_disk(), d.unit("breaks")["state"]], [{"breaks": "broken"}, "active"], "after a reload")
    p.unit("breaks", "description: d\n" + p.command(stop=True))
    equal(on_disk(), {"breaks": "changed"}, "mended, and not loaded")
    d.json("reload")
    equal([on_disk(), d.status()["on_disk"]], [{}, {}], "all is in force")


@test
def mask_and_unmask(p):
    etc, volatile = p.dir / "etc/devmux/units.d", p.dir / "run/devmux/units.d"
    p.unit("u", p.command(stop=True))
    p.unit("v", p.command(stop=True))
    p.unit("w", p.command(stop=True))
    d = p.daemon(units=[p.units, volatile, etc])
    d.ask("start", "u")
    done = d.ask("mask", "u")
    contains(done.stdout, "its service runs on: devmux stop u", "it goes on")
    equal([str((etc / "u.yaml").readlink()), d.state("u"), len(p.runs("u"))], ["/dev/null", "orphaned", 1], "masked")
    contains(d.ask("status").stdout, "it is masked: its service runs on", "status says so")
    contains(d.ask("start", "u", code=5).stderr, "is masked", "it cannot be started")
    contains(d.ask("mask", "u").stdout, "masked already", "twice")
    d.ask("unmask", "u")
    equal([d.state("u"), (etc / "u.yaml").is_symlink()], ["active", False], "and back: nothing was started")
    d.ask("mask", "u")
    d.ask("stop", "u")
    d.ask("reload")
    equal([d.state("u"), [r.argv[0] for r in p.runs("u")]], ["masked", ["start", "stop"]], "stopped")
    equal(d.json("unmask", "u")["changed"], True, "JSON")
    equal(d.state("u"), "waiting", "as it was installed")
    d.ask("mask", "--runtime", "v")
    equal([d.state("v"), (volatile / "v.yaml").is_symlink()], ["masked", True], "until the next boot")
    contains(d.ask("unmask", "v", code=5).stderr, "devmux unmask --runtime v", "where it is masked")
    d.ask("unmask", "--runtime", "v")
    (etc / "v.yaml").write_text("description: mine\n" + p.command(stop=True))
    contains(d.ask("mask", "v", code=5).stderr, "is there", "a file is not written over")
    contains(d.ask("mask", "--runtime", "v", code=5).stderr, "is stronger", "nor is it of no use")
    contains((etc / "v.yaml").read_text(), "mine", "the file")
    contains(d.ask("unmask", "v").stdout, "is not masked", "a file is not taken away")
    contains((etc / "v.yaml").read_text(), "mine", "the file")
    contains(d.ask("mask", "nosuch", code=4).stderr, 'there is no unit "nosuch"', "a slip of the pen")
    for name in ("../v", "a/b", ".v", "x" * 65):
        contains(d.ask("mask", name, code=5).stderr, "no name of a unit", name)
    etc.chmod(0o777)
    contains(d.ask("mask", "w", code=5).stderr, "can be written by others", "a folder that nobody would believe")
    etc.chmod(0o755)
    d.terminate()
    contains(d.ask("mask", "--units", etc, "w").stdout, "no daemon was told", "without a daemon")
    d = p.daemon(units=[p.units, volatile, etc])
    equal(d.state("w"), "masked", "it counts from the start")
