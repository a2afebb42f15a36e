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
    d.until_log("1 units and 25 classes in force")


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
