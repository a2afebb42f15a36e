// The script's environment: what is in it, who wins, and what a hostile device cannot put there.
#include "engine/plan/environment.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>

#include "engine/plan/job.h"

using namespace devmux;
using namespace std::string_literals;

namespace {

std::optional<std::string> value(const ScriptEnvironment& environment, std::string_view name) {
    std::optional<std::string> found;
    for (const std::string& variable : environment.variables) {
        if (variable.substr(0, variable.find('=')) != name) continue;
        CHECK_MESSAGE(!found, "twice: ", std::string(name));
        found = variable.substr(name.size() + 1);
    }
    return found;
}

std::string block(std::initializer_list<std::string> variables) {
    std::string out;
    for (const std::string& variable : variables) out += variable + '\0';
    return out;
}

ScriptEnvironment of_block(const std::string& block) {
    return script_environment({.unit = "u", .reason = "r", .block = block});
}

}  // namespace

TEST_SUITE("plan/environment") {
    TEST_CASE("without a device: what devmux says, and nothing inherited") {
        ScriptEnvironment out = script_environment({.unit = "gdm", .reason = "by hand"});
        std::sort(out.variables.begin(), out.variables.end());
        CHECK(out.variables ==
              std::vector<std::string>{
                  "DEVMUX_REASON=by hand", "DEVMUX_UNIT=gdm", "HOME=/",
                  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"});
        CHECK(out.left_out.empty());
        CHECK(value(script_environment({.unit = "u", .instance = "sda"}), "DEVMUX_INSTANCE") ==
              "sda");
    }

    TEST_CASE("the unit file's own: wins over defaults and device, not over devmux") {
        std::vector<std::string> own{"PATH=/opt",        "DEVMUX_UNIT=other", "SUBSYSTEM=mine",
                                     "ASYNCMOUNTNFS=no", "ASYNCMOUNTNFS=yes", "=x",
                                     "noequals"};
        std::string device = block({"SUBSYSTEM=input", "HOME=/tmp"});
        ScriptEnvironment out =
            script_environment({.unit = "u", .reason = "", .own = own, .block = device});
        CHECK(value(out, "PATH") == "/opt");
        CHECK(value(out, "DEVMUX_UNIT") == "u");
        CHECK(value(out, "SUBSYSTEM") == "mine");
        CHECK(value(out, "ASYNCMOUNTNFS") == "no");
        CHECK(value(out, "HOME") == "/");
        CHECK(out.variables.size() == 6);
    }

    TEST_CASE("the device: its event's variables and its properties") {
        std::string device =
            block({"ACTION=add", "DEVPATH=/devices/x", "SUBSYSTEM=net", "INTERFACE=eth0",
                   "SEQNUM=7", "ID_MODEL=a b", "INTERFACE=eth1"});
        ScriptEnvironment out =
            script_environment({.unit = "u", .action = "remove", .block = device});
        CHECK(value(out, "ACTION") == "remove");
        CHECK(value(out, "DEVPATH") == "/devices/x");
        CHECK(value(out, "SUBSYSTEM") == "net");
        CHECK(value(out, "SEQNUM") == "7");
        CHECK(value(out, "INTERFACE") == "eth0");
        CHECK(value(out, "ID_MODEL") == "a b");
        CHECK(value(of_block(device), "ACTION") == "add");
    }

    TEST_CASE("DEVNAME is absolute, and stays below the device directory") {
        CHECK(value(of_block(block({"DEVNAME=input/mice"})), "DEVNAME") == "/dev/input/mice");
        CHECK(value(of_block(block({"DEVNAME=/dev/sda"})), "DEVNAME") == "/dev/sda");
        CHECK(value(of_block(block({"DEVNAME=a..b"})), "DEVNAME") == "/dev/a..b");
        std::string relative = block({"DEVNAME=sda"});
        CHECK(value(script_environment({.block = relative, .dev = "/root/dev"}), "DEVNAME") ==
              "/root/dev/sda");
        for (const char* bad : {"../etc/shadow", "x/../../y", "/dev/..", ".."}) {
            ScriptEnvironment out = of_block(block({"DEVNAME="s + bad}));
            CHECK_MESSAGE(!value(out, "DEVNAME"), bad);
            CHECK(out.left_out == std::vector<std::string>{"DEVNAME"});
        }
    }

    TEST_CASE("names that a device may not set") {
        for (const char* name : {"PATH",
                                 "LD_PRELOAD",
                                 "LD_LIBRARY_PATH",
                                 "IFS",
                                 "ENV",
                                 "BASH_ENV",
                                 "BASH_FUNC_x",
                                 "SHELLOPTS",
                                 "BASHOPTS",
                                 "PERL5LIB",
                                 "PERLLIB",
                                 "PYTHONPATH",
                                 "HOME",
                                 "SHELL",
                                 "DEVMUX_UNIT",
                                 "DEVMUX_ANY",
                                 "GCONV_PATH",
                                 "LOCPATH",
                                 "NLSPATH",
                                 "MALLOC_CHECK_",
                                 "GLIBC_TUNABLES",
                                 "TMPDIR",
                                 "EDITOR",
                                 "VISUAL",
                                 "PAGER",
                                 "CDPATH",
                                 "PS4",
                                 "GLOBIGNORE",
                                 "RUBYOPT",
                                 "NODE_OPTIONS",
                                 "JAVA_TOOL_OPTIONS",
                                 "MODPROBE_OPTIONS",
                                 "NOTIFY_SOCKET",
                                 "LISTEN_FDS",
                                 "SYSTEMCTL_SKIP_REDIRECT",
                                 "LC_ALL",
                                 "LANG",
                                 "TERM",
                                 "TERMINFO_DIRS",
                                 "AUTHSTATE",
                                 "ZDOTDIR",
                                 "_",
                                 "_RLD_LIST",
                                 "",
                                 "lower",
                                 "A-B",
                                 "A B",
                                 "A.B",
                                 "\xC3\x84",
                                 "A\nB"}) {
            CHECK_MESSAGE(!device_may_set(name), name);
            std::string device = block({std::string(name) + "=evil"});
            for (const std::string& variable : of_block(device).variables)
                CHECK(variable.find("evil") == variable.npos);
        }
        for (const char* name : {"ACTION", "DEVPATH", "MODALIAS", "MAJOR", "ID_INPUT_MOUSE",
                                 "PRODUCT", "TYPE", "INTERFACE", "DRIVER", "DEVTYPE", "TAGS",
                                 "SYNTH_UUID", "ENVIRONMENT", "PATHNAME", "LDX", "HOMEPAGE", "X1"})
            CHECK_MESSAGE(device_may_set(name), name);
        CHECK_FALSE(device_may_set(std::string(256, 'A')));
    }

    TEST_CASE("control characters are replaced; other bytes are left as they are") {
        std::string device =
            block({"A=\x01"
                   "b\tc\nd\x7F"
                   "e",
                   "B=\xC2\x9B"
                   "2J",
                   "C=\xFF\xC2", "D=\xC3\xA4\xC2\xA9"});
        ScriptEnvironment out = of_block(device);
        CHECK(value(out, "A") == "_b_c_d_e");
        CHECK(value(out, "B") == "__2J");  // U+009B, which a terminal takes for ESC [
        CHECK(value(out, "C") == "\xFF\xC2");
        CHECK(value(out, "D") == "\xC3\xA4\xC2\xA9");
        CHECK(value(script_environment({.unit = "u", .reason = "a\033[2J"}), "DEVMUX_REASON") ==
              "a_[2J");
    }

    TEST_CASE("a value has at most 4 KiB, cut between two characters") {
        std::string device =
            block({"A=" + std::string(4096, 'x'), "B=" + std::string(4097, 'x'),
                   "C=" + std::string(4095, 'x') + "\xC3\xA4", "D=" + std::string(5000, '\x80')});
        ScriptEnvironment out = of_block(device);
        CHECK(value(out, "A")->size() == 4096);
        CHECK(value(out, "B")->size() == 4096);
        CHECK(value(out, "C") == std::string(4095, 'x'));
        CHECK(value(out, "D")->size() == 4093);  // no character at all: at most three bytes back
    }

    TEST_CASE("all values have at most 64 KiB; what scripts look at first fits first") {
        std::string device;
        for (int i = 0; i < 20; ++i)
            device += "X" + std::to_string(i) + "=" + std::string(4096, 'x') + '\0';
        device += block({"SMALL=1", "SEQNUM=9", "DEVPATH=/devices/x"});
        ScriptEnvironment out = of_block(device);
        CHECK(value(out, "SEQNUM") == "9");
        CHECK(value(out, "DEVPATH") == "/devices/x");
        CHECK(value(out, "X0"));
        CHECK(value(out, "X14"));
        CHECK(out.left_out == std::vector<std::string>{"X15", "X16", "X17", "X18", "X19"});
        CHECK(value(out, "SMALL") == "1");
        size_t total = 0;
        for (const std::string& variable : out.variables) total += variable.size() + 1;
        CHECK(total < 64 * 1024 + 256);
    }

    TEST_CASE("a block of very many names is bounded") {
        std::string device;
        for (int i = 0; i < 20000; ++i) device += "A" + std::to_string(i) + "=" + '\0';
        ScriptEnvironment out = of_block(device);
        CHECK(out.variables.size() == 4 + 512);
        CHECK(out.left_out.size() == 512);
        CHECK(out.left_out[0] == "A512");
    }

    TEST_CASE("broken blocks") {
        CHECK(value(of_block("A=1"), "A") == "1");
        CHECK(of_block("\0\0=\0=x\0NOEQUALS\0"s).variables.size() == 4);
        CHECK(value(of_block("A=b=c\0"s), "A") == "b=c");
        CHECK(value(of_block("A=\0"s), "A") == "");
    }
}

TEST_SUITE("plan/job") {
    TEST_CASE("a job's end as a sentence") {
        CHECK(describe({.job = 1, .code = 3}) == "exited with status 3");
        CHECK(describe({.job = 1, .signal = 9}) == "was killed by signal 9 (Killed)");
        CHECK(describe({.job = 1, .signal = 200}) == "was killed by signal 200");
        CHECK(describe({.job = 1}).find("unknown") != std::string::npos);
        CHECK(describe({.job = 1, .error = "/x: not found"}) ==
              "could not be started: /x: not found");
        CHECK(to_string(Verb::Start) == "start");
        CHECK(to_string(Verb::Stop) == "stop");
        CHECK(to_string(Verb::Run) == "run");
    }
}
