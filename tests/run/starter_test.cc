// Who has called an init script, told from lines of descent as real machines have them.
#include "engine/run/starter.h"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/run/temp_dir.h"

using namespace devmux;

namespace {

struct One {
    int pid;
    const char* name;
    int parent;
    int session = 0;
};

// A procfs with these; each has started later than its parent.
struct Processes {
    TempDir dir;
    explicit Processes(std::initializer_list<One> all) {
        for (const One& p : all) {
            std::filesystem::create_directory(dir.path() + "/" + std::to_string(p.pid));
            std::ofstream(dir.path() + "/" + std::to_string(p.pid) + "/stat")
                << p.pid << " (" << p.name << ") S " << p.parent << " " << (p.session ? p.session : p.pid) << " "
                << (p.session ? p.session : p.pid) << " 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 " << p.pid * 100 << " 0\n";
        }
    }
    std::optional<FoundStarter> of(int pid, int job = 0) const {
        return find_starter(dir.path(), pid, 7777, [job](int number) {
            return number == job ? std::optional<std::string>("unit") : std::nullopt;
        });
    }
    Starter::Kind kind(int pid, int job = 0) const { return of(pid, job).value().who.kind; }
};

constexpr auto kJob = Starter::Kind::Job, kBoot = Starter::Kind::Boot, kPerson = Starter::Kind::Person,
               kSystemd = Starter::Kind::Systemd;

}  // namespace

TEST_SUITE("run/starter") {
    TEST_CASE("the boot sequence of sysvinit, with startpar and one after the other") {
        Processes p{{1, "init", 0}, {200, "rc", 1}, {210, "rc", 200}, {220, "startpar", 210}, {230, "alsa-utils", 220},
                    {240, "devmux", 230}, {250, "S20gdm", 200}, {260, "devmux", 250}};
        CHECK(p.kind(240) == kBoot);
        CHECK(p.of(240)->script == 230);
        CHECK(p.of(240)->script_started == std::chrono::seconds(230));
        CHECK(p.kind(260) == kBoot);
    }

    TEST_CASE("the boot sequence of sysvinit where it waits for it") {
        // As ps(1) shows a Debian with sysv-rc: the second init has the console.
        Processes p{{1, "init", 0}, {116, "init", 1}, {118, "rc", 116}, {122, "startpar", 118}, {130, "mountnfs.sh", 122, 116},
                    {140, "devmux", 130, 116}, {150, "sulogin", 116}, {160, "sh", 150}, {170, "gdm", 160}, {180, "devmux", 170},
                    {190, "sh", 116}, {200, "gdm", 190}, {210, "devmux", 200}};
        CHECK(p.kind(140) == kBoot);
        CHECK(p.kind(180) == kPerson);
        CHECK(p.kind(210) == kPerson);
        CHECK(Processes{{1, "init", 0}, {2, "init", 1}}.kind(2) == kPerson);
    }

    TEST_CASE("what a boot script has left in the background, as long as its session can be followed") {
        // One after the other, init(8) gives `rc` the session, and it lives on.
        Processes p{{1, "init", 0}, {10, "rc", 1}, {20, "sh", 1, 10}, {30, "gdm", 20, 10}, {40, "devmux", 30, 10},
                    // startpar: the script had its own, and has ended.
                    {50, "sh", 1, 45}, {60, "gdm", 50, 45}, {70, "devmux", 60, 45},
                    // A person's, who has left.
                    {80, "login", 1}, {90, "bash", 80}, {100, "gdm", 1, 90}, {110, "devmux", 100, 90},
                    // A person who was let in by it.
                    {120, "sulogin", 10, 10}, {130, "sh", 120}, {140, "gdm", 1, 130}, {150, "devmux", 140, 130}};
        CHECK(p.kind(40) == kBoot);
        CHECK(p.of(40)->script == 30);
        CHECK(p.kind(70) == kPerson);
        CHECK(p.kind(110) == kPerson);
        CHECK(p.kind(150) == kPerson);
    }

    TEST_CASE("busybox, OpenRC, runit") {
        Processes busybox{{1, "init", 0}, {10, "rcS", 1}, {20, "S40network", 10}, {30, "devmux", 20}};
        CHECK(busybox.kind(30) == kBoot);
        Processes openrc{{1, "openrc-init", 0}, {10, "openrc", 1}, {20, "openrc-run", 10}, {30, "openrc-run.sh", 20}, {40, "devmux", 30}};
        CHECK(openrc.kind(40) == kBoot);
        Processes runit{{1, "runit", 0}, {10, "1", 1}, {20, "alsa-utils", 10}, {30, "devmux", 20},
                        {40, "2", 1}, {50, "run_sysv_script", 40}, {60, "gdm", 50}, {70, "devmux", 60}};
        CHECK(runit.kind(30) == kBoot);
        CHECK(runit.kind(70) == kBoot);
        Processes other{{1, "init", 0}, {10, "1", 1}, {20, "alsa-utils", 10}, {30, "devmux", 20}};
        CHECK(other.kind(30) == kPerson);
    }

    TEST_CASE("people, also those who call rc, and who repair a boot that failed") {
        Processes login{{1, "init", 0}, {10, "login", 1}, {20, "bash", 10}, {30, "gdm", 20}, {40, "devmux", 30},
                        {50, "rc", 20}, {60, "gdm", 50}, {70, "devmux", 60}};
        CHECK(login.kind(40) == kPerson);
        CHECK(login.kind(70) == kPerson);
        Processes repair{{1, "init", 0}, {10, "rc", 1}, {20, "startpar", 10}, {30, "checkroot.sh", 20}, {40, "sulogin", 30},
                         {50, "bash", 40}, {60, "gdm", 50}, {70, "devmux", 60}};
        CHECK(repair.kind(70) == kPerson);
        Processes package{{1, "init", 0}, {10, "sshd", 1}, {20, "dpkg", 10}, {30, "invoke-rc.d", 20}, {40, "gdm", 30}, {50, "devmux", 40}};
        CHECK(package.kind(50) == kPerson);
        Processes cron{{1, "init", 0}, {10, "cron", 1}, {20, "gdm", 10}, {30, "devmux", 20}};
        CHECK(cron.kind(30) == kPerson);
    }

    TEST_CASE("systemd's children: the script, or the guard itself") {
        Processes p{{1, "systemd", 0}, {10, "gdm", 1}, {20, "devmux", 10}, {30, "devmux", 1},
                    {40, "sshd", 1}, {50, "bash", 40}, {60, "gdm", 50}, {70, "devmux", 60}};
        CHECK(p.kind(20) == kSystemd);
        CHECK(p.of(20)->script == 10);
        CHECK(p.kind(30) == kSystemd);
        CHECK(p.of(30)->script == 30);
        CHECK(p.kind(70) == kPerson);
    }

    TEST_CASE("jobs: by descent, by session, and by the daemon itself") {
        Processes p{{1, "init", 0}, {10, "rc", 1}, {20, "devmuxd", 10}, {30, "gdm", 20}, {40, "sh", 30}, {50, "devmux", 40},
                    {60, "sh", 1, 30}, {65, "devmux", 60, 65}, {70, "gdm", 1, 70}, {80, "devmux", 70}};
        CHECK(p.kind(50, 30) == kJob);
        CHECK(p.of(50, 30)->who.unit == "unit");
        CHECK(p.of(50, 30)->script == 40);
        CHECK(p.kind(65, 30) == kJob);  // its parent was left behind in the job's session
        CHECK(p.kind(80, 30) == kPerson);
        Processes ours{{1, "init", 0}, {7777, "devmuxd", 1}, {7778, "x", 7777}, {7779, "devmux", 7778}};
        CHECK(ours.kind(7779) == kJob);
        CHECK(ours.of(7779)->who.unit.empty());
    }

    TEST_CASE("what cannot be followed to its begin is nobody; what began outside is a person") {
        Processes p{{1, "init", 0}, {10, "rc", 1}, {30, "devmux", 20}, {50, "devmux", 60}, {60, "rc", 1}, {70, "devmux", 0}};
        CHECK_FALSE(p.of(30));
        CHECK_FALSE(p.of(50));  // its parent is younger: somebody else with that number
        CHECK_FALSE(p.of(99));
        CHECK(p.kind(70) == kPerson);
        CHECK(p.of(70)->script == 70);
    }
}
