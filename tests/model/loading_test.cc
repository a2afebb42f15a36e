// Loading: every kind of bad file is a clear error that names the place, and takes down that unit
// alone; folders override, mask and add.
#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "engine/model/configuration.h"
#include "engine/model/service_file.h"
#include "engine/model/unit_cycles.h"
#include "engine/model/unit_file.h"

using namespace devmux;
namespace fs = std::filesystem;

namespace {

// A folder of units below the real classes.
struct Folder {
    fs::path path;
    Folder() {
        std::string name = (fs::temp_directory_path() / "devmux-units-XXXXXX").string();
        path = mkdtemp(name.data());
        fs::create_directory_symlink(fs::path(DEVMUX_SOURCE_DIR) / "units.d/classes.d", path / "classes.d");
    }
    ~Folder() { fs::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    void write(const std::string& name, const std::string& text) const {
        fs::create_directories((path / name).parent_path());
        std::ofstream(path / name) << text;
    }
    Configuration load(Trust trust = Trust::Waive) const { return load_configuration({{path}}, trust); }
};

const char* const kGood = "description: good\nwhen: mouse\ninit-script: good\n";

}  // namespace

TEST_SUITE("model/loading") {
    struct Bad {
        const char* what_for;
        std::string text;
        const char* error;  // how the text of the first error begins, behind the file's name
        const char* hint;
    };

    TEST_CASE("one broken file takes down that unit alone, and says where and what") {
        std::string bomb = "a: &a [x, x]\nb: &b [*a, *a]\nwhen: *b\n", deep = "when: ";
        for (int i = 0; i < 60; ++i) deep += "{all: [";
        const Bad kBad[] = {
            {"an unknown key", "when: mouse\ninit-scrpt: x\n", ":2:1: unknown key \"init-scrpt\" in a unit", "did you mean \"init-script\"?"},
            {"a repeated key", "when: mouse\nwhen: disk\ninit-script: x\n", ":2:1: the key \"when\" stands here again", "line 1"},
            {"a wrong type", "when: mouse\ninit-script: [x]\n", ":2:14: init-script: expected a text, found a list", ""},
            {"a wrong word", "when: mouse\ninit-script: x\ntask: maybe\n", ":3:7: task: expected true or false, found \"maybe\"", ""},
            {"a syntax error in a condition", "when: mouse andd disk\ninit-script: x\n", ":1:13: when: expected \"and\"", "did you mean \"and\"?"},
            {"the same in quotes", "when: 'mouse andd disk'\ninit-script: x\n", ":1:14: when: expected \"and\"", ""},
            {"a word that YAML takes for a truth", "when: yes\ninit-script: x\n", ":1:7: when: expected a condition, found \"yes\"", ""},
            {"a YAML bomb", bomb, ":1:4: anchors (&name) are not read", ""},
            {"an alias of nothing", "when: *nobody\n", ":1:7: this is not YAML", ""},
            {"nesting", deep, ":1:", ""},
            {"10 MB of nesting", std::string(10'000'000, '['), ": has 10000000 bytes", ""},
            {"many brackets", std::string(60'000, '['), ": brackets are nested too deep", ""},
            {"many values", "x: [" + [] { std::string s; for (int i = 0; i < 5000; ++i) s += "a,"; return s; }() + "a]", ":1:", ""},
            {"binary garbage", std::string("\x7f" "ELF\x02\x01\x01\0\0\0\0", 11), ": is no text: byte 7 is a NUL", ""},
            {"garbage without a NUL", "\xff\xfe\x80\x81: [\n", ":", ""},
            {"no YAML", "when: mouse\n\tinit-script: x\n", ":2:", ""},
            {"an empty file", "", ": is empty", ""},
            {"comments alone", "# nothing\n", ": is empty", ""},
            {"a list", "- when\n", ":1:1: expected a unit as a map of keys, found a list", ""},
            {"two documents", "when: mouse\ninit-script: x\n---\nwhen: disk\n", ": holds more than one document", ""},
            {"a tag", "when: !!binary bW91c2U=\ninit-script: x\n", ":1:7: tags", ""},
            {"a merge key", "<<: {when: mouse}\ninit-script: x\n", ":1:1: unknown key \"<<\"", ""},
            {"a key that is a list", "[a, b]: x\n", ":1:1: a key must be a word, found a list", ""},
            {"no service", "when: mouse\n", ":1:1: the unit starts nothing", ""},
            {"two services", "when: mouse\ninit-script: x\ncommand: {start: [/bin/x]}\n", ":3:10: \"command\" cannot stand beside \"init-script\"", ""},
            {"two conditions", "when: mouse\nwhile: disk\ninit-script: x\n", ":2:8: \"while\" cannot stand beside \"when\"", ""},
            {"a shell command", "when: mouse\ncommand: {start: echo $NAME}\n", ":2:18: command: start: expected a list of arguments", "never run through a shell"},
            {"a relative program", "when: mouse\ncommand: {start: [echo]}\n", ":2:19: command: start: expected an absolute path, found \"echo\"", "/usr/sbin/echo"},
            {"an unquoted placeholder", "when: mouse\ncommand: {start: [/bin/x, {devnode}]}\n", ":2:27: command: start: YAML reads {devnode} as a map", "quote it: \"{devnode}\""},
            {"a script with a path", "when: mouse\ninit-script: ../x\n", ":2:14: init-script: expected the name of a script", ""},
            {"a duration without unit", "while: disk\nlinger: 5\ncommand: {start: [/bin/x], stop: [/bin/y]}\n", ":2:9: linger: expected a duration, found \"5\"", "a number and its unit"},
            {"linger without while", "when: disk\nlinger: 5s\ncommand: {start: [/bin/x], stop: [/bin/y]}\n", ":2:9: \"linger\" needs \"while\"", ""},
            {"while without stop", "while: disk\ncommand: {start: [/bin/x]}\n", ":2:10: \"while\" stops the command", "stop"},
            {"first in while", "while: first disk\ninit-script: x\n", ":1:8: `first` cannot stand in `while`", ""},
            {"a variable of ours", "when: disk\ninit-script: x\nenvironment: {DEVMUX_UNIT: y}\n", ":3:15: environment: \"DEVMUX_UNIT\": names that begin with DEVMUX_", ""},
            {"an action that is none", "each-event: disk\nactions: [added]\ninit-script: x\n", ":2:10: actions: \"added\" is no action", ""},
            {"each-event with a state", "each-event: disk bound\ninit-script: x\n", ":1:18: each-event: expected a class", ""},
            {"a link to no name", "when: disk\nrequires: [a, b/c]\ninit-script: x\n", ":2:15: requires: expected the name of a unit, or a facility like $network, found \"b/c\"", ""},
            {"a link to nothing", "when: disk\nafter: []\ninit-script: x\n", ":2:8: after: expected a list", ""},
            {"a facility in then", "when: disk\nthen: $network\ninit-script: x\n", ":2:7: then: expected the name of a unit, found the facility \"$network\"", ""},
            {"providing no facility", "when: disk\nprovides: network\ninit-script: x\n", ":2:11: provides: expected a facility, found \"network\"", "a facility begins with $: $network"},
            {"a bad facility", "when: disk\nprovides: $a:b\ninit-script: x\n", ":2:11: provides: expected the name of a unit, or a facility", ""},
            {"a link to itself", "when: disk\nbefore: bad\ninit-script: x\n", ":2:9: \"before\" names the unit itself", ""},
            {"a link of an each-event unit", "each-event: disk\nthen: x\ninit-script: x\n", ":2:7: \"then\" cannot stand beside \"each-event\"", ""},
            {"a timeout without keys", "when: disk\ninit-script: x\ntimeout: 5m\n", ":3:10: timeout: expected {start: 2m, then: warn, …}, found \"5m\"", "start, stop, shutdown, warn, then, drivers"},
            {"a timeout without unit", "when: disk\ninit-script: x\ntimeout: {start: 5}\n", ":3:18: timeout: start: expected a duration, found \"5\"", "a number and its unit"},
            {"a timeout of no time", "when: disk\ninit-script: x\ntimeout: {stop: 0s}\n", ":3:17: timeout: stop: expected more than no time at all, found \"0s\"", "5 minutes"},
            {"a shutdown of no time", "when: disk\ninit-script: x\ntimeout: {shutdown: 0s}\n", ":3:21: timeout: shutdown: expected more than no time at all", "5 minutes"},
            {"an unknown key in it", "when: disk\ninit-script: x\ntimeout: {strat: 5m}\n", ":3:11: unknown key \"strat\" in timeout", "did you mean \"start\"?"},
            {"a wrong `then`", "when: disk\ninit-script: x\ntimeout: {then: die}\n", ":3:17: timeout: then: expected warn, terminate or kill, found \"die\"", "SIGTERM"},
            {"drivers as a list", "when: disk\ninit-script: x\ntimeout: {drivers: [sd]}\n", ":3:20: timeout: expected a map of drivers, found a list", "{NAME: never}"},
            {"a driver that is none", "when: disk\ninit-script: x\ntimeout: {drivers: {a/b: never}}\n", ":3:21: timeout: drivers: expected the name of a driver or module, found \"a/b\"", "lsmod"},
            {"a driver's limit that is none", "when: disk\ninit-script: x\ntimeout: {drivers: {sd: always}}\n", ":3:25: timeout: drivers: expected a duration, found \"always\"", "never, or a number"},
            {"a driver twice", "when: disk\ninit-script: x\ntimeout: {drivers: {a-b: never, a_b: 5m}}\n", ":3:33: timeout: drivers: \"a_b\" stands here twice", ""},
            {"a stop that never comes", "each-event: disk\ninit-script: x\ntimeout: {stop: 5m}\n", ":3:17: an each-event unit has nothing to stop", ""},
            {"if-running with a wrong word", "when: disk\ninit-script: x\nif-running: maybe\n", ":3:13: if-running: expected skip, run or error, found \"maybe\"", ""},
            {"boot-if of an each-event unit", "each-event: disk\ninit-script: x\nboot-if: disk\n", ":3:10: an each-event unit is run by events", ""},
            {"takes-down of no interface", "while: disk\ntakes-down: disk\ncommand: {start: [/bin/x], stop: [/bin/y]}\n", ":2:13: takes-down: expected network interfaces, or no, found \"disk\"", "network interface"},
            {"refresh of a list", "while: disk\nrefresh: [disk, mouse]\ncommand: {start: [/bin/x], stop: [/bin/y]}\n", ":2:10: refresh: expected a class of devices, found a list", "one class"},
            {"a key that is none, and near none", "when: disk\nxyzzy: 1\ninit-script: x\n", ":2:1: unknown key \"xyzzy\" in a unit", "its keys are in devmux.unit(5)"},
            {"a key of a command that is none", "when: disk\ncommand: {start: [/bin/x], xyzzy: [/bin/y]}\n", ":2:28: unknown key \"xyzzy\" in command", "its keys are start, stop, reload, status"},
            {"takes-down of a name", "while: disk\ntakes-down: eth0\ncommand: {start: [/bin/x], stop: [/bin/y]}\n", ":2:13: takes-down: expected network interfaces, or no, found \"eth0\"", "'network interface[name = \"eth0\" or"},
            {"takes-down of all", "while: disk\ntakes-down: all\ncommand: {start: [/bin/x], stop: [/bin/y]}\n", ":2:13: takes-down: expected network interfaces, or no, found \"all\"", "network interface is all of them"},
            {"takes-down of yes", "while: disk\ntakes-down: yes\ncommand: {start: [/bin/x], stop: [/bin/y]}\n", ":2:13: takes-down: expected network interfaces, or no, found \"yes\"", "network interface is all of them"},
            {"takes-down of false", "while: disk\ntakes-down: false\ncommand: {start: [/bin/x], stop: [/bin/y]}\n", ":2:13: takes-down: expected network interfaces, or no, found \"false\"", "takes-down: no, where it takes none down"},
            {"takes-down of a list", "while: disk\ntakes-down: [eth0, eth1]\ncommand: {start: [/bin/x], stop: [/bin/y]}\n", ":2:13: takes-down: expected network interfaces, or no, found a list", "name = \"eth0\" or name = \"eth1\""},
            {"takes-down of a bad predicate", "while: disk\ntakes-down: network interface[nam = x]\ncommand: {start: [/bin/x], stop: [/bin/y]}\n", ":2:31: takes-down: \"nam\" is no field", "did you mean \"name\"?"},
            {"takes-down of a state", "while: disk\ntakes-down: network interface up\ncommand: {start: [/bin/x], stop: [/bin/y]}\n", ":2:31: takes-down: expected a class", "a state belongs into a condition"},
            {"refresh of a state", "while: disk\nrefresh: network interface online\ncommand: {start: [/bin/x], stop: [/bin/y]}\n", ":2:28: refresh: expected a class, its [ … ] and perhaps \"seen\", found \"online\"", "a state belongs into a condition"},
            {"takes-down of a task", "when: disk\ninit-script: x\ntask: true\ntakes-down: no\n", ":4:13: \"takes-down\" is about a stop, and nothing of this unit is stopped", ""},
            {"first in boot-if", "when: disk\ninit-script: x\nboot-if: first disk\n", ":3:10: `first` cannot stand in `boot-if`", ""},
            {"if-never with a wrong word", "when: disk\ninit-script: x\nif-never: maybe\n", ":3:11: if-never: expected start or skip, found \"maybe\"", ""},
            {"if-never without a condition", "init-script: x\nif-never: start\n", ":2:11: \"if-never\" needs \"when\" or \"while\"", ""},
            {"if-never of an each-event unit", "each-event: disk\ninit-script: x\nif-never: start\n", ":3:11: \"if-never\" needs \"when\" or \"while\"", ""},
            {"if-running of a task", "when: disk\ninit-script: x\ntask: true\nif-running: run\n", ":4:13: a task leaves nothing running", ""},
            {"if-running of an each-event unit", "each-event: disk\ninit-script: x\nif-running: error\n", ":3:13: an each-event unit leaves nothing running", ""},
            {"status of a task", "when: disk\ncommand: {start: [/bin/x], status: [/bin/y]}\n", ":2:36: a task leaves nothing running: it is not asked", "stop"},
            {"status without a list", "when: disk\ncommand: {start: [/bin/x], stop: [/bin/y], status: yes}\n", ":2:52: command: status: expected a list of arguments", ""},
            {"a daemon that is each-event", "each-event: disk\ndaemon: [/bin/x]\n", ":1:13: a daemon stays", "command"},
            {"a daemon that is a task", "when: disk\ndaemon: [/bin/x]\ntask: true\n", ":3:7: a daemon stays, and a task ends", ""},
            {"a daemon that is asked", "when: disk\ndaemon: [/bin/x]\nif-running: run\n", ":3:13: a daemon is devmux's own child", ""},
            {"a daemon by its name", "when: disk\ndaemon: [x]\n", ":2:10: daemon: expected an absolute path", "/usr/sbin/x"},
            {"ready of a wrong word", "when: disk\ndaemon: [/bin/x]\nready: soon\n", ":3:8: ready: expected start or notify, found \"soon\"", "READY=1"},
            {"ready of an init script", "when: disk\ninit-script: x\nready: start\n", ":3:8: \"ready\" needs \"daemon\"", ""},
            {"restart with a wrong word", "when: disk\ndaemon: [/bin/x]\nrestart: often\n", ":3:10: restart: expected never, on-failure or always, found \"often\"", "policy: on-failure"},
            {"restart without policy", "when: disk\ndaemon: [/bin/x]\nrestart: {delay: 2s}\n", ":3:10: restart needs policy", ""},
            {"restart without end", "when: disk\ndaemon: [/bin/x]\nrestart: {policy: always, limit: 0}\n", ":3:34: restart: limit: expected a number from 1 to 1000, found \"0\"", "in a row"},
            {"restart without unit of time", "when: disk\ndaemon: [/bin/x]\nrestart: {policy: always, delay: 5}\n", ":3:34: restart: delay: expected a duration", ""},
            {"always of what is not watched", "when: disk\ninit-script: x\nrestart: always\n", ":3:10: \"always\" needs \"daemon\"", "on-failure"},
            {"restart of an event", "each-event: disk\ninit-script: x\nrestart: on-failure\n", ":3:10: an each-event unit runs once", ""},
            {"systemd without a type", "when: disk\nsystemd: bluetooth\n", ":2:10: expected the name of a unit of systemd with its type, found \"bluetooth\"", "bluetooth.service"},
            {"systemd of a wrong type", "when: disk\nsystemd: a.conf\n", ":2:10: expected the name of a unit of systemd", "a.conf.service"},
            {"a template of systemd", "when: disk\nsystemd: getty@.service\n", ":2:10: expected the name", "name an instance"},
            {"a name that systemd refuses", "when: disk\nsystemd: a b.service\n", ":2:10: expected the name", "letters, digits"},
            {"systemd with a user", "when: disk\nsystemd: a.service\nuser: x\n", ":3:7: a unit of systemd says itself who runs it", "User="},
            {"systemd with variables", "when: disk\nsystemd: a.service\nenvironment: {A: b}\n", ":3:14: a unit of systemd has an environment of its own", "Environment="},
            {"systemd for each event", "each-event: disk\nsystemd: a.service\n", ":1:13: a unit of systemd is started once", "command"},
            {"systemd that is to run twice", "when: disk\nsystemd: a.service\nif-running: run\n", ":3:13: systemd does not start what runs already", "skip or error"},
            {"systemd beside another kind", "when: disk\ninit-script: x\nsystemd: a.service\n", ":3:10: \"systemd\" cannot stand beside \"init-script\"", ""},
            {"two kinds of service", "when: disk\ninit-script: x\ndaemon: [/bin/x]\n", ":3:9: \"daemon\" cannot stand beside \"init-script\"", ""},
            {"scripts without events", "when: disk\nscripts: /etc/dev.d\n", ":2:10: \"scripts\" needs \"each-event\"", "each-event: device"},
            {"scripts of no place", "each-event: disk\nscripts: dev.d\n", ":2:10: scripts: expected an absolute path, found \"dev.d\"", "/etc/dev.d"},
            {"a user with a path", "when: disk\ncommand: {start: [/bin/x]}\nuser: ../x\n", ":3:7: expected the name of a user, found \"../x\"", "/etc/passwd"},
            {"the user of an init script", "when: disk\ninit-script: x\nuser: mpd\n", ":3:7: an init script is root's", ""},
            {"for-each of a class that is none", "for-each: diks\ncommand: {start: [/x]}\n", ":1:11: for-each: \"diks\" is no class", "did you mean \"disk\"?"},
            {"for-each beside each-event", "for-each: disk\neach-event: disk\ncommand: {start: [/x]}\n", ":1:11: \"for-each\" cannot stand beside \"each-event\"", ""},
            {"it without for-each", "when: it and disk\ncommand: {start: [/x]}\n", ":1:7: when: \"it\" is the device of an instance", "for-each: CLASS"},
            {"a number of it", "for-each: disk\nwhen: first it\ncommand: {start: [/x]}\n", ":2:13: when: \"it\" is one device", ""},
            {"instances of nobody", "when: disk\ninstances: 3\ncommand: {start: [/x]}\n", ":2:12: \"instances\" needs \"for-each\"", ""},
            {"no instances at all", "for-each: disk\ninstances: 0\ncommand: {start: [/x]}\n", ":2:12: instances: expected a number from 1 to 4096, found \"0\"", ""},
            {"for-each of an init script", "for-each: disk\ninit-script: x\n", ":2:14: an init script is one service", "/etc/init.d/NAME"},
            {"for-each of a service of systemd", "for-each: disk\nsystemd: a.service\n", ":2:10: a unit of systemd is one service", ""},
            {"if-never without a device", "for-each: disk\nif-never: start\ncommand: {start: [/x]}\n", ":2:11: without a device there is no instance", ""},
            {"linger of a task for-each", "for-each: disk\nlinger: 5s\ncommand: {start: [/x]}\n", ":2:9: \"linger\" needs something that stops", "stop"},
            {"a placeholder without for-each", "when: disk\ncommand: {start: [/x, '{devnode}']}\n", ":2:23: \"{devnode}\" speaks of a device", "for-each: CLASS"},
            {"a placeholder within a word", "for-each: disk\ncommand: {start: [/x, 'if={devnode}']}\n", ":2:23: what a device says is a whole argument", "environment"},
            {"a placeholder that is none", "for-each: disk\ncommand: {start: [/x, '{devname}']}\n", ":2:23: \"{devname}\" stands for nothing", "did you mean \"{devnode}\"?"},
            {"a property without a name", "for-each: disk\ndaemon: [/x, '{property.}']\n", ":2:14: \"{property.}\" names no property", "ID_SERIAL"},
            {"a placeholder as a program", "for-each: disk\ncommand: {start: ['{devnode}']}\n", ":2:19: command: start: expected an absolute path", ""},
            {"an unquoted placeholder of for-each", "for-each: disk\ndaemon: [/x, {name}]\n", ":2:14: daemon: YAML reads {name} as a map", "quote it: \"{name}\""},
            {"a placeholder near a number", "for-each: disk\ncommand: {start: [/x, '{numbr}']}\n", ":2:23: \"{numbr}\" stands for nothing", "did you mean \"{number}\"?"},
            {"a word for what is missing", "when: disk\ninit-script: x\nif-missing: yes\n", ":3:13: if-missing: expected fail or skip, found \"yes\"", ""},
            {"each-event and what is missing", "each-event: disk\nif-missing: skip\ncommand: {start: [/x]}\n", ":2:13: an each-event unit runs once for each event", ""},
            {"a choice among commands", "when: disk\nchosen-by: /x\ncommand: {start: [/x]}\n", ":2:12: \"chosen-by\" needs \"init-script\"", ""},
            {"a choice without a path", "when: disk\nchosen-by: x\ninit-script: x\n", ":2:12: chosen-by: expected an absolute path, found \"x\"", "default-display-manager"},
            {"a class that is none", "when: mause\ninit-script: x\n", ":1:7: when: \"mause\" is no class", "did you mean \"mouse\"?"},
        };
        Folder folder;
        for (const Bad& bad : kBad) {
            CAPTURE(bad.what_for);
            folder.write("bad.yaml", bad.text);
            folder.write("good.yaml", kGood);
            Configuration c = folder.load();
            CHECK(c.units.contains("good"));
            REQUIRE(c.broken.contains("bad"));
            std::string text = c.broken["bad"][0].to_string();
            std::string expected = (folder.path / "bad.yaml").string() + bad.error;
            CHECK_MESSAGE(text.starts_with(expected), text);
            CHECK_MESSAGE(text.find(bad.hint) != std::string::npos, text);
        }
    }

    TEST_CASE("all errors of a file at once") {
        Folder folder;
        folder.write("bad.yaml", "wen: mouse\nlinger: 5\ntask: 7\n");
        CHECK(folder.load().broken["bad"].size() >= 3);
    }

    TEST_CASE("a later folder replaces, a link to /dev/null masks, a drop-in adds") {
        Folder lib, etc;
        lib.write("a.yaml", kGood);
        lib.write("b.yaml", kGood);
        lib.write("c.yaml", "description: c\nwhen: mouse\ninit-script: c\ndocumentation: [one]\n");
        etc.write("a.yaml", "description: mine\nwhen: disk\ninit-script: mine\n");
        fs::create_symlink("/dev/null", etc.path / "b.yaml");
        etc.write("c.yaml.d/10-local.yaml",
                  "description: changed\nand-when: disk\ndocumentation: [two]\nenvironment: {X: \"1\"}\n");
        etc.write("c.yaml.d/20-more.yaml", "environment: {Y: \"2\"}\n");
        etc.write("nobody.yaml.d/x.yaml", "task: true\n");
        fs::remove(etc.path / "classes.d");
        Configuration c = load_configuration({{lib.path, etc.path}}, Trust::Waive);
        CHECK(c.broken.empty());
        CHECK(c.units.at("a")->description == "mine");
        CHECK(c.masked.contains("b"));
        CHECK_FALSE(c.units.contains("b"));
        const Unit& unit = *c.units.at("c");
        CHECK(unit.description == "changed");
        CHECK(unit.condition_text == "mouse and disk");
        CHECK(unit.documentation == std::vector<std::string>{"one", "two"});
        CHECK(unit.environment == std::vector<std::string>{"X=1", "Y=2"});
        REQUIRE(c.errors.size() == 1);
        CHECK(c.errors[0].what.find("\"nobody\", which does not exist") != std::string::npos);
    }

    TEST_CASE("a drop-in that names a script stands above what was chosen; one that says both has said both") {
        Folder lib, etc;
        for (const char* name : {"a", "b"}) lib.write(std::string(name) + ".yaml", "description: d\nwhen: disk\ninit-script: x\nchosen-by: /x\n");
        etc.write("a.yaml.d/mine.yaml", "init-script: mine\n");
        etc.write("b.yaml.d/mine.yaml", "init-script: mine\nchosen-by: /mine\n");
        Configuration c = load_configuration({{lib.path, etc.path}}, Trust::Waive);
        CHECK(c.units.at("a")->service.init_script == "mine");
        CHECK(c.units.at("a")->service.chosen_by == "");
        CHECK(c.units.at("b")->service.chosen_by == "/mine");
    }

    TEST_CASE("boot-if asks what will be mounted, and nothing else does; also after classes are new") {
        Folder folder;
        folder.write("a.yaml", "description: d\nwhen: /usr on nfs\nboot-if: /usr on nfs or root on nfs\ninit-script: a\n");
        Configuration c = folder.load();
        REQUIRE(c.broken.empty());
        const Unit& a = *c.units.at("a");
        CHECK(a.warnings.empty());
        CHECK(a.boot_if_text == "/usr on nfs or root on nfs");
        auto again = rebind(a, *c.classes).unit;
        REQUIRE(again);
        for (const Unit* unit : {&a, again.get()}) {
            each_leaf(*unit->boot_if, [](const Condition& leaf) { CHECK(leaf.fact.expected); });
            each_leaf(unit->condition, [](const Condition& leaf) { CHECK_FALSE(leaf.fact.expected); });
        }
        CHECK(same_text(a, *again));
        folder.write("a.yaml", "description: d\nwhen: /usr on nfs\nboot-if: /usr on nfs\ninit-script: a\n");
        CHECK_FALSE(same_text(a, *folder.load().units.at("a")));
    }

    TEST_CASE("how long jobs may take, with drop-ins, and written down to be read again") {
        Folder folder;
        folder.write("a.yaml", std::string(kGood) + "timeout: {start: 2m, stop: 30s, warn: 40s, drivers: {snd-hda-intel: never}}\n");
        folder.write("b.yaml", kGood);
        folder.write("a.yaml.d/10-local.yaml", "timeout: {start: 3m, then: kill, drivers: {scsi_debug: 20m}}\n");
        Configuration c = folder.load();
        REQUIRE(c.broken.empty());
        REQUIRE(c.units.at("a")->limits);
        const TimeLimits& limits = *c.units.at("a")->limits;
        using namespace std::chrono_literals;
        CHECK(limits == TimeLimits{.start = 180s, .stop = 30s, .warn = 40s, .then = TimeLimits::Then::Kill,
                                   .drivers = {{"snd_hda_intel", kNever}, {"scsi_debug", 1200s}}});
        CHECK_FALSE(c.units.at("b")->limits);
        CHECK(time_limits_text(limits) ==
              "{start: 3m, stop: 30s, warn: 40s, then: kill, drivers: {'scsi_debug': 20m, 'snd_hda_intel': never}}");
        CHECK_FALSE(same_text(*c.units.at("a"), *c.units.at("b")));
        folder.write("a.yaml", std::string(kGood) + "timeout: " + time_limits_text(limits) + "\n");
        fs::remove_all(folder.path / "a.yaml.d");
        Configuration again = folder.load();
        REQUIRE(again.units.contains("a"));
        CHECK(*again.units.at("a")->limits == limits);
        CHECK(same_text(*c.units.at("a"), *again.units.at("a")));
    }

    TEST_CASE("the manual's example of time limits is a good unit") {
        std::ifstream file(fs::path(DEVMUX_SOURCE_DIR) / "man/devmux.unit.5");
        std::string manual((std::istreambuf_iterator<char>(file)), {});
        size_t title = manual.find("units.d/backup.yaml"), begin = manual.find(".Bd", title);
        REQUIRE(begin != manual.npos);
        begin = manual.find('\n', begin) + 1;
        std::string text = manual.substr(begin, manual.find("\n.Ed", begin) - begin) + "\n";
        for (const auto& [roff, plain] : {std::pair{"\\-", "-"}, std::pair{"\\(aq", "'"}})
            for (size_t at = 0; (at = text.find(roff, at)) != text.npos;) text.replace(at, std::string(roff).size(), plain);
        Folder folder;
        folder.write("backup.yaml", text);
        Configuration c = folder.load();
        REQUIRE_MESSAGE(c.units.contains("backup"), text);
        CHECK(c.units.at("backup")->warnings.empty());
        REQUIRE(c.units.at("backup")->limits);
        CHECK(c.units.at("backup")->limits->then == TimeLimits::Then::Kill);
    }

    TEST_CASE("files that others could have written are not read") {
        Folder folder;
        folder.write("mine.yaml", kGood);
        folder.write("loose.yaml", kGood);
        chmod((folder.path / "loose.yaml").c_str(), 0666);
        mkfifo((folder.path / "fifo.yaml").c_str(), 0644);
        folder.write("elsewhere/target.yaml", kGood);
        chmod((folder.path / "elsewhere").c_str(), 0777);
        fs::create_symlink(folder.path / "elsewhere/target.yaml", folder.path / "link.yaml");
        fs::create_symlink(folder.path / "nothing", folder.path / "dangling.yaml");
        Configuration c = folder.load(Trust::Require);
        CHECK(c.units.contains("mine"));
        for (auto [unit, what] : std::initializer_list<std::pair<const char*, const char*>>{
                 {"loose", "can be written by others"}, {"fifo", "no regular file"},
                 {"link", "can be written by others"}, {"dangling", "cannot be opened"}}) {
            const auto& unit_shown = unit;
            CAPTURE(unit_shown);
            REQUIRE(c.broken.contains(unit));
            std::string found = c.broken[unit][0].what;
            CHECK_MESSAGE(found.find(what) != std::string::npos, found);
        }
        if (geteuid() == 0) {
            REQUIRE(chown((folder.path / "mine.yaml").c_str(), 12345, 12345) == 0);
            Configuration again = folder.load(Trust::Require);
            REQUIRE(again.broken.contains("mine"));
            CHECK(again.broken["mine"][0].what.find("belongs to uid 12345") != std::string::npos);
        }
    }

    TEST_CASE("units in a circle are refused with its path, and only they") {
        Folder folder;
        auto unit = [&](const std::string& name, const std::string& condition) {
            folder.write(name + ".yaml", "description: x\nwhen: " + condition + "\ninit-script: x\n");
        };
        unit("a", "unit b active");
        unit("b", "mouse and not unit c active");
        unit("c", "unit a failed");
        unit("self", "unit self done");
        unit("outside", "unit a active");
        unit("inside", "mouse");
        Configuration c = folder.load();
        CHECK(c.units.size() == 2);
        CHECK(c.units.contains("outside"));
        REQUIRE(c.broken.contains("a"));
        CHECK_MESSAGE(c.broken["a"][0].what.find("a -> b -> c -> a") != std::string::npos, c.broken["a"][0].what);
        CHECK(c.broken["self"][0].what.find("self -> self") != std::string::npos);
        UnitEdges chain;
        for (int i = 0; i < 20000; ++i) chain["u" + std::to_string(i)] = {"u" + std::to_string(i + 1)};
        CHECK(units_in_cycles(chain).empty());
    }

    TEST_CASE("circles of links are refused with the whole path, and why each waits for the next") {
        Folder folder;
        auto unit = [&](const std::string& name, const std::string& keys) {
            folder.write(name + ".yaml", "description: x\ninit-script: x\n" + keys + "\n");
        };
        unit("a", "requires: b");
        unit("b", "after: $f");
        unit("c", "provides: $f\nwhen: unit d active");
        unit("d", "when: mouse");
        unit("a2", "then: d");
        unit("e", "before: a2\nwants: d");
        unit("f", "conflicts: [a, f2]\nafter: d");
        unit("f2", "conflicts: f");
        Configuration c = folder.load();
        REQUIRE(c.broken.size() == 3);
        CHECK(c.broken["d"][0].what ==
              "it waits for itself: d -> a2 -> e -> d (a2: then d; e: before a2; e: wants d)");
        for (const char* name : {"a", "b", "c", "f", "f2"}) CHECK(c.units.contains(name));
        unit("d", "when: mouse\non-failure: a");
        Configuration worse = folder.load();
        CHECK(worse.broken.size() == 3);
        unit("d", "when: mouse\nafter: a");
        Configuration worst = folder.load();
        REQUIRE(worst.broken.contains("a"));
        CHECK(worst.broken["a"][0].what == "it waits for itself: a -> b -> c -> d -> a (a: requires b; b: after $f, which c "
                                           "provides; c: its condition asks for d; d: after a)");
    }

    TEST_CASE("links: one name or many, drop-ins add to them, and who is not there is told") {
        Folder folder;
        folder.write("a.yaml", "description: x\nwhen: mouse\ninit-script: x\nafter: b\nrequires: [$nett, b, b]\n");
        folder.write("b.yaml", "description: x\nwhen: mouse\ninit-script: x\nprovides: $net\n");
        folder.write("a.yaml.d/more.yaml", "after: [c, b]\nwants: d\n");
        Configuration c = folder.load();
        REQUIRE(c.units.contains("a"));
        const Unit& a = *c.units.at("a");
        CHECK(a.links.after == std::vector<std::string>{"b", "c"});
        CHECK(a.links.required == std::vector<std::string>{"$nett", "b"});
        CHECK(a.links.wanted == std::vector<std::string>{"d"});
        std::string warnings;
        for (const Error& warning : a.warnings) warnings += warning.to_string() + "\n";
        CHECK_MESSAGE(warnings.find("\"requires\" names the facility \"$nett\", which no unit provides\n    did you mean \"$net\"?") != warnings.npos, warnings);
        CHECK_MESSAGE(warnings.find("\"after\" names the unit \"c\", which is not there") != warnings.npos, warnings);
        CHECK_MESSAGE(warnings.find("\"wants\" names the unit \"d\", which is not there") != warnings.npos, warnings);
    }

    TEST_CASE("after a reload the last good one stays in force") {
        Folder folder;
        folder.write("a.yaml", kGood);
        Configuration old = folder.load();
        folder.write("a.yaml", "when: nonsense\n");
        Configuration fresh = folder.load();
        CHECK(keep_last_good(fresh, old) == std::set<std::string>{"a"});
        CHECK(fresh.units.at("a")->condition_text == "mouse");
        CHECK(fresh.broken.contains("a"));
    }

    TEST_CASE("what check says beyond errors") {
        for (auto [text, warning] : std::initializer_list<std::pair<const char*, const char*>>{
                 {"description: x\ninit-script: x\n", "has no condition"},
                 {"when: mouse\ninit-script: x\n", "no description"},
                 {"description: x\nwhen: mouse\ninit-script: alsa-utils\n", "leaves nothing running"},
                 {"description: x\nwhile: mouse\ninit-script: x\n", "unplugging the mouse will stop"},
                 {"description: x\nwhen: mouse and framebuffer bound\ninit-script: x\n", "speaks of \"framebuffer\" alone"},
                 {"description: x\nwhile: disk\ninit-script: x\ntask: true\n", "nothing that `while` could stop"}}) {
            const auto& text_shown = text;
            CAPTURE(text_shown);
            Folder folder;
            folder.write("u.yaml", text);
            Configuration c = folder.load();
            REQUIRE(c.units.contains("u"));
            REQUIRE(c.units["u"]->warnings.size() == 1);
            CHECK_MESSAGE(c.units["u"]->warnings[0].what.find(warning) != std::string::npos, c.units["u"]->warnings[0].what);
        }
        Folder good;
        good.write("good.yaml", kGood);
        CHECK(good.load().units["good"]->warnings.empty());
    }

    // Blocks of the manual that begin with "# NAME.yaml".
    TEST_CASE("the examples of the manual load without a warning") {
        std::ifstream in(fs::path(DEVMUX_SOURCE_DIR) / "man/devmux.unit.5");
        REQUIRE(in);
        Folder folder;
        std::set<std::string> keys;
        std::string line, name, text;
        auto finish = [&] {
            if (!name.empty()) folder.write(name, text);
            name.clear();
            text.clear();
        };
        for (bool literal = false; std::getline(in, line);) {
            for (auto [from, to] : {std::pair{"\\-", "-"}, {"\\(aq", "'"}, {"\\(dq", "\""}, {"\\&", ""}})
                for (size_t at; (at = line.find(from)) != line.npos;) line.replace(at, std::string(from).size(), to);
            if (line.starts_with(".Bd -literal")) literal = true;
            else if (line == ".Ed") literal = false, finish();
            else if (literal && text.empty() && line.starts_with("# ") && line.ends_with(".yaml")) name = line.substr(2);
            else if (!name.empty()) text += line + "\n", keys.insert(line.substr(0, line.find(':')));
        }
        Configuration c = folder.load();
        for (const auto& [unit, errors] : c.broken) FAIL_CHECK(unit << ": " << errors[0].to_string());
        for (const auto& [unit, loaded] : c.units)
            for (const Error& warning : loaded->warnings) FAIL_CHECK(warning.to_string());
        for (const char* key : {"init-script", "command", "daemon", "scripts", "systemd", "restart", "if-running", "if-never",
                                "ready", "user", "reload", "refresh"})
            CHECK_MESSAGE(keys.contains(key), key);
        // Every kind of unit, from the moment on at which it can be read.
        size_t kinds = 0;
        for (const char* key : {"init-script", "systemd", "command", "daemon", "scripts", "each-event", "for-each"}) {
            auto document = read_document(std::string(key) + ": x\n", "t");
            REQUIRE(document);
            UnitReading reading = read_unit(*document, "u", *c.classes);
            bool known = std::none_of(reading.errors.begin(), reading.errors.end(), [&](const Error& error) {
                return error.what.find("unknown key") != std::string::npos;
            });
            kinds += known;
            CHECK_MESSAGE(keys.contains(key) >= known, key);
        }
        CHECK(kinds == 7);
    }

    TEST_CASE("names that systemd takes, and those that it does not") {
        for (const char* good : {"a.service", "-.mount", "dev-disk-by\\x2duuid.swap", "getty@tty2.service", "a@b@c.socket",
                                 "proc.automount", "x.y.target", "_:.timer", "a.path", "a.slice", "a.scope", "a.device"})
            CHECK_MESSAGE(is_systemd_unit_name(good), good);
        for (std::string bad : {"", "a", ".service", "a.", "a.unit", "@b.service", "a@.service", "a/b.service", "a b.service",
                                "a.Service", "a\xc3\xa9.service", "a.service "})
            CHECK_MESSAGE(!is_systemd_unit_name(bad), bad);
        CHECK(is_systemd_unit_name(std::string(247, 'a') + ".service"));
        CHECK_FALSE(is_systemd_unit_name(std::string(248, 'a') + ".service"));
    }
}
