// See environment.h. The table of names is what the dynamic linker, libc, shells, interpreters and
// the tools that init scripts call take orders from: glibc's sysdeps/generic/unsecvars.h, sudo's
// initial_badenv_table (plugins/sudoers/env.c), and the manual pages of the others.
#include "engine/plan/environment.h"

#include <algorithm>
#include <array>

namespace devmux {
namespace {

constexpr size_t kValueMax = 4096, kTotalMax = 64 * 1024, kCountMax = 512;
constexpr std::string_view kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Sorted, for the binary search.
// clang-format off
constexpr std::array<std::string_view, 93> kForbidden{
    "AUTHSTATE", "BASHOPTS", "BLOCKSIZE", "BROWSER", "CDPATH", "CLASSPATH", "COLUMNS", "DISPLAY",
    "EDITOR", "ENV", "EUID", "FCEDIT", "FPATH", "FTP_PROXY", "GCONV_PATH", "GETCONF_DIR",
    "GETOPT_COMPATIBLE", "GLIBC_TUNABLES", "GLOBIGNORE", "GREP_OPTIONS", "GZIP", "HISTFILE", "HOME",
    "HOSTALIASES", "HTTPS_PROXY", "HTTP_PROXY", "IFS", "INPUTRC", "INVOCATION_ID", "JAVA_OPTS",
    "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "JOURNAL_STREAM", "LANG", "LANGUAGE", "LESS",
    "LESSCLOSE", "LESSOPEN", "LIBPATH", "LINES", "LOCALDOMAIN", "LOCPATH", "LOGNAME", "MAIL",
    "MAILCHECK", "MAILPATH", "MAINPID", "MANAGERPID", "MFLAGS", "MODPROBE_OPTIONS", "NIS_PATH",
    "NLSPATH", "NOTIFY_SOCKET", "NO_PROXY", "NULLCMD", "OLDPWD", "OPTARG", "OPTERR", "OPTIND",
    "PAGER", "PATH", "PATH_LOCALE", "POSIXLY_CORRECT", "PPID", "PREVLEVEL", "PROMPT_COMMAND", "PS1",
    "PS2", "PS3", "PS4", "PWD", "READNULLCMD", "RESOLV_HOST_CONF", "RES_OPTIONS", "RUNLEVEL",
    "SHELL", "SHELLOPTS", "SHLIB_PATH", "SHLVL", "TAR_OPTIONS", "TERM", "TERMCAP", "TERMPATH",
    "TMOUT", "TMPDIR", "TMPPREFIX", "TZ", "TZDIR", "UID", "USER", "VISUAL", "XZ_OPT", "ZDOTDIR"};
static_assert(std::is_sorted(kForbidden.begin(), kForbidden.end()));

constexpr std::array<std::string_view, 33> kForbiddenPrefixes{
    "BASH_", "CURL_", "DBUS_", "DEBCONF_", "DEBUGINFOD_", "DEVMUX_", "DPKG_", "DYLD_", "GIT_",
    "KRB5_", "LC_", "LDR_", "LD_", "LISTEN_", "LUA_", "MAKE", "MALLOC_", "NODE_", "NPM_",
    "OPENSSL_", "PERL", "PYTHON", "RUBY", "SSH_", "SSL_", "SUDO_", "SYSTEMCTL_", "SYSTEMD_", "TCL",
    "TERMINFO", "WATCHDOG_", "XDG_", "_"};
// clang-format on

// What scripts look at first, and what must fit when not all does.
constexpr std::array<std::string_view, 5> kFirst{"ACTION", "DEVPATH", "SUBSYSTEM", "DEVNAME",
                                                 "SEQNUM"};

size_t cut_length(std::string_view value) {
    if (value.size() <= kValueMax) return value.size();
    size_t end = kValueMax;
    // Not through the middle of a character: back over at most three bytes of it.
    for (int i = 0; i < 3 && (static_cast<unsigned char>(value[end]) & 0xC0) == 0x80; ++i) --end;
    return end;
}

// Control characters, C1 in UTF-8 (C2 80 … C2 9F) included: a terminal obeys U+009B as well.
void append_clean(std::string_view value, std::string& out) {
    size_t start = out.size();
    out.append(value.substr(0, cut_length(value)));
    for (size_t i = start; i < out.size(); ++i) {
        auto c = static_cast<unsigned char>(out[i]);
        if (c < 0x20 || c == 0x7F) out[i] = '_';
        if (c == 0xC2 && i + 1 < out.size() &&
            (static_cast<unsigned char>(out[i + 1]) & 0xE0) == 0x80)
            out[i] = out[i + 1] = '_';
    }
}

}  // namespace

bool climbs(std::string_view path) {
    for (size_t at = path.find(".."); at != path.npos; at = path.find("..", at + 1)) {
        bool begins = at == 0 || path[at - 1] == '/';
        bool ends = at + 2 == path.size() || path[at + 2] == '/';
        if (begins && ends) return true;
    }
    return false;
}

std::string cleaned(std::string_view value) {
    std::string out;
    append_clean(value, out);
    return out;
}

namespace {

class Builder {
  public:
    explicit Builder(ScriptEnvironment& out) : out_(out) { out_.variables.reserve(32); }

    bool has(std::string_view name) const {
        return std::any_of(out_.variables.begin(), out_.variables.end(), [&](const std::string& v) {
            return v.size() > name.size() && v[name.size()] == '=' && v.starts_with(name);
        });
    }

    void add(std::string_view name, std::string_view value) {
        if (!has(name)) put(name, value);
    }

    // Of the unit file: as its author wrote it.
    void add_own(const std::string& variable) {
        size_t equals = variable.find('=');
        if (equals == 0 || equals == variable.npos) return;
        if (!has(std::string_view(variable).substr(0, equals))) out_.variables.push_back(variable);
    }

    void add_of_device(std::string_view name, std::string_view value, std::string_view dev) {
        if (!device_may_set(name) || has(name)) return;
        std::string node;
        if (name == "DEVNAME" && !value.starts_with('/'))
            value = node.append(dev).append(1, '/').append(value);
        size_t size = name.size() + 1 + cut_length(value) + 1;
        bool fits = bytes_ + size <= kTotalMax && count_ < kCountMax;
        if (!fits || (name == "DEVNAME" && climbs(value))) {
            if (out_.left_out.size() < kCountMax) out_.left_out.emplace_back(name);
            return;
        }
        bytes_ += size;
        ++count_;
        put(name, value);
    }

  private:
    void put(std::string_view name, std::string_view value) {
        std::string& variable = out_.variables.emplace_back();
        variable.reserve(name.size() + 1 + std::min(value.size(), kValueMax));
        variable.append(name) += '=';
        append_clean(value, variable);
    }

    ScriptEnvironment& out_;
    size_t bytes_ = 0, count_ = 0;
};

template <class Visit>
void each_variable(Block block, const Visit& visit) {
    while (!block.empty()) {
        size_t end = std::min(block.find('\0'), block.size());
        std::string_view variable = block.substr(0, end);
        if (size_t equals = variable.find('='); equals != variable.npos)
            visit(variable.substr(0, equals), variable.substr(equals + 1));
        block.remove_prefix(std::min(end + 1, block.size()));
    }
}

bool is_first(std::string_view name) {
    return std::find(kFirst.begin(), kFirst.end(), name) != kFirst.end();
}

}  // namespace

bool device_may_set(std::string_view name) {
    if (name.empty() || name.size() > 255) return false;
    for (char c : name)
        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')) return false;
    if (std::binary_search(kForbidden.begin(), kForbidden.end(), name)) return false;
    // The first letter decides nearly always, and costs nothing.
    return std::none_of(
        kForbiddenPrefixes.begin(), kForbiddenPrefixes.end(),
        [&](std::string_view prefix) { return prefix[0] == name[0] && name.starts_with(prefix); });
}

ScriptEnvironment script_environment(const EnvironmentInput& input) {
    ScriptEnvironment out;
    Builder builder(out);
    builder.add("DEVMUX_UNIT", input.unit);
    if (!input.instance.empty()) builder.add("DEVMUX_INSTANCE", input.instance);
    builder.add("DEVMUX_REASON", input.reason);
    for (const std::string& variable : input.own) builder.add_own(variable);
    builder.add("PATH", kPath);
    builder.add("HOME", "/");
    if (!input.action.empty()) builder.add_of_device("ACTION", input.action, input.dev);
    each_variable(input.block, [&](std::string_view name, std::string_view value) {
        if (is_first(name)) builder.add_of_device(name, value, input.dev);
    });
    each_variable(input.block, [&](std::string_view name, std::string_view value) {
        if (!is_first(name)) builder.add_of_device(name, value, input.dev);
    });
    return out;
}

}  // namespace devmux
