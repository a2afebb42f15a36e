// What the folders say against what is in force; and masks, which are the client's.
#include "engine/model/configuration_changes.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "engine/model/unit_folders.h"
#include "tools/mask.h"

using namespace devmux;
namespace fs = std::filesystem;

namespace {

struct Folder {
    fs::path path;
    Folder() {
        std::string name = (fs::temp_directory_path() / "devmux-disk-XXXXXX").string();
        path = mkdtemp(name.data());
    }
    ~Folder() { fs::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    void write(const std::string& name, const std::string& text) const {
        fs::create_directories((path / name).parent_path());
        std::ofstream(path / name) << text;
    }
    ConfigurationDirs dirs() const { return {{path}}; }
    Configuration load() const { return load_configuration(dirs(), Trust::Waive); }
};

std::string text(const ConfigurationChanges& changes) {
    std::string out;
    for (const auto& [name, change] : changes.units) out += name + ":" + std::string(to_string(change)) + " ";
    for (const std::string& name : changes.classes) out += "class-" + name + " ";
    return out;
}

constexpr const char* kUnit = "command: {start: [/bin/true]}\n";

}  // namespace

TEST_SUITE("model/configuration_changes") {
    TEST_CASE("each pair of what was and what is") {
        // A unit's file when it was loaded, and now. "-": none; "0": a mask.
        const std::string good = kUnit, other = good + "description: other\n", bad = "nonsense: 1\n";
        const std::string none = "-", mask = "0";
        struct Pair {
            std::string then, now, change;
        };
        for (const Pair& pair : {Pair{good, good, ""}, {good, other, "u:changed "}, {good, none, "u:gone "},
                                 {good, bad, "u:broken "}, {good, mask, "u:masked "}, {none, good, "u:new "},
                                 {none, bad, "u:broken "}, {none, mask, "u:masked "}, {bad, bad, ""},
                                 {bad, good, "u:changed "}, {bad, none, "u:gone "}, {bad, mask, "u:masked "},
                                 {mask, mask, ""}, {mask, good, "u:changed "}, {mask, bad, "u:broken "},
                                 {mask, none, "u:gone "}}) {
            const auto& [then, now, change] = pair;
            Folder folder;
            auto put = [&](const std::string& what) {
                fs::remove(folder.path / "u.yaml");
                if (what == "0") fs::create_symlink("/dev/null", folder.path / "u.yaml");
                else if (what != "-") folder.write("u.yaml", what);
            };
            put(then);
            Configuration old = folder.load();
            put(now);
            CAPTURE(pair.then);
            CAPTURE(pair.now);
            CHECK(text(changes_between(old, folder.load())) == change);
        }
    }

    TEST_CASE("what was kept, because it broke at a reload, is broken; drop-ins and classes count") {
        Folder folder;
        folder.write("u.yaml", kUnit);
        folder.write("classes.d/a.yaml", "class: gadget\nsubsystem: net\nmatch: 'name ~ \"x*\"'\n");
        Configuration old = folder.load();
        folder.write("u.yaml.d/x.yaml", "environment: {A: b}\n");
        CHECK(text(changes_between(old, folder.load())) == "u:changed ");
        folder.write("u.yaml", "nonsense: 1\n");
        folder.write("classes.d/a.yaml", "class: gadget\nsubsystem: net\nmatch: 'name ~ \"y*\"'\n");
        folder.write("classes.d/b.yaml", "class: gizmo\nsubsystem: net\n");
        Configuration fresh = folder.load();
        CHECK(text(changes_between(old, fresh)) == "u:broken class-gadget class-gizmo ");
        keep_last_good(fresh, old);
        CHECK(text(changes_between(fresh, fresh)) == "u:broken ");
        CHECK(text(changes_between(fresh, folder.load())) == "u:broken ");
        CHECK_FALSE(changes_between(old, old).any());
    }

    TEST_CASE("the fingerprint is another one after each change, and the same after none") {
        Folder folder;
        folder.write("u.yaml", kUnit);
        folder.write("v.yaml.d/x.yaml", "task: true\n");
        uint64_t before = fingerprint_of(folder.dirs());
        auto is_new = [&] {
            uint64_t now = fingerprint_of(folder.dirs());
            return std::exchange(before, now) != now;
        };
        CHECK_FALSE(is_new());
        folder.write("unread.txt", "");
        CHECK_FALSE(is_new());
        folder.write("u.yaml", std::string(kUnit) + "# more\n");
        CHECK(is_new());
        CHECK(chmod((folder.path / "u.yaml").c_str(), 0600) == 0);
        CHECK(is_new());
        folder.write("v.yaml.d/y.yaml", "");
        CHECK(is_new());
        folder.write("classes.d/x.yaml", "");
        CHECK(is_new());
        fs::rename(folder.path / "u.yaml", folder.path / "w.yaml");
        CHECK(is_new());
        fs::create_symlink("w.yaml", folder.path / "u.yaml");
        CHECK(is_new());
        folder.write("w.yaml", "x: y\n");  // what the link leads to
        CHECK(is_new());
        fs::remove(folder.path / "u.yaml");
        fs::create_symlink("/dev/null", folder.path / "u.yaml");
        CHECK(is_new());
        CHECK_FALSE(is_new());
        fs::remove(folder.path / "v.yaml.d/y.yaml");
        CHECK(is_new());
    }

    TEST_CASE("a mask is made once, takes the place of nothing, and alone is taken away") {
        Folder folder;
        std::string etc = folder.path / "a/b/units.d";
        CHECK(*mask_unit(etc, "u") == true);
        CHECK(fs::read_symlink(etc + "/u.yaml") == "/dev/null");
        CHECK(*mask_unit(etc, "u") == false);
        CHECK(*unmask_unit(etc, "u") == true);
        CHECK(*unmask_unit(etc, "u") == false);
        CHECK_FALSE(fs::is_symlink(etc + "/u.yaml"));
        std::ofstream(etc + "/u.yaml") << kUnit;
        fs::create_symlink("u.yaml", etc + "/link.yaml");
        for (const char* name : {"u", "link"}) {
            CHECK_FALSE(mask_unit(etc, name));
            CHECK(*unmask_unit(etc, name) == false);
            CHECK(fs::exists(etc + "/" + name + ".yaml"));
        }
        for (const char* name : {"", ".", "..", "../u", "a/b", ".hidden", "a b"}) {
            CAPTURE(name);
            CHECK_FALSE(mask_unit(etc, name));
            CHECK_FALSE(unmask_unit(etc, name));
        }
        fs::permissions(etc, fs::perms::all);
        CHECK_FALSE(mask_unit(etc, "w"));
        fs::permissions(etc, fs::perms::owner_all);
    }
}
