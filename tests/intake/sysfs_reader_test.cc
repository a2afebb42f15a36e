// SysfsReader on made-up trees and on this machine's. A read blocks where a test wants it: in
// udev's records, which are the test's own, or in a file of a FUSE file system that does not
// answer. Nothing sleeps to be right: every wait has an event, and a timeout that only a failing
// test reaches.
#include "engine/intake/sysfs_reader.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <ctime>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "engine/intake/coldplug.h"
#include "engine/intake/sysfs.h"
#include "engine/system/descriptor.h"
#include "tests/intake/temp_tree.h"

using namespace devmux;
using std::chrono::milliseconds;
using std::string_literals::operator""s;

namespace {

constexpr int kTimeout = 60'000;
constexpr Duration kLong = std::chrono::minutes(10);

// The threads of this process: proc_pid_task(5).
std::set<std::filesystem::path> threads_now() {
    std::set<std::filesystem::path> out;
    std::error_code error;
    for (std::filesystem::directory_iterator task("/proc/self/task"), end; task != end;
         task.increment(error))
        out.insert(task->path());
    return out;
}

template <class Condition>
bool becomes_true(const Condition& condition) {
    auto end = std::chrono::steady_clock::now() + milliseconds(kTimeout);
    while (!condition())
        if (std::chrono::steady_clock::now() > end) return false;
        else poll(nullptr, 0, 1);
    return true;
}

// udev's records, which hold whoever asks for those of some devices until the test lets go.
class Gate {
  public:
    void close(const std::string& devpath) {
        std::lock_guard guard(lock_);
        closed_.insert(devpath);
    }
    void open(const std::string& devpath) {
        std::lock_guard guard(lock_);
        closed_.erase(devpath);
        changed_.notify_all();
    }
    void open_all() {
        std::lock_guard guard(lock_);
        closed_.clear();
        changed_.notify_all();
    }
    std::optional<std::string> record(std::string_view devpath) {
        std::string path(devpath);
        std::unique_lock guard(lock_);
        asked_.push_back(path);
        ++held_[path];
        changed_.notify_all();
        changed_.wait(guard, [&] { return !closed_.contains(path); });
        --held_[path];
        if (path.ends_with("unrecorded")) return std::nullopt;
        return "OF=" + path + '\0';
    }
    // Whether so many threads come to be held there.
    bool holds(const std::string& devpath, int threads = 1) {
        std::unique_lock guard(lock_);
        return changed_.wait_for(guard, milliseconds(kTimeout), [&] {
            return closed_.contains(devpath) && held_[devpath] == threads;
        });
    }
    std::vector<std::string> asked() {
        std::lock_guard guard(lock_);
        return asked_;
    }

  private:
    std::mutex lock_;
    std::condition_variable changed_;
    std::set<std::string> closed_;
    std::map<std::string, int> held_;
    std::vector<std::string> asked_;
};

using Words = std::vector<std::string>;

struct Machine : TempTree {
    Machine() {
        device("bus0", "");
        device("bus0/gate", "usb");
        device("bus0/gate2", "usb");
        device("bus0/port", "usb");
        device("bus0/port/net/eth0", "net");
        file("devices/bus0/port/speed", "480\n");
        file("devices/bus0/port/net/eth0/address", "00:11\n");
        file("kernel/uevent_seqnum", "77\n");
        need({{"usb", "speed"}, {"usb", "maxchild"}, {"net", "address"}});
    }
    ~Machine() {
        gate->open_all();
        reader.reset();
        CHECK(becomes_true([&] { return reading_threads().empty(); }));
    }

    void device(const std::string& path, const std::string& subsystem) const {
        file("devices/" + path + "/uevent");
        if (!subsystem.empty()) link("devices/" + path + "/subsystem", "../bus/" + subsystem);
    }
    uint64_t inode(const std::string& devpath) const {
        struct stat status {};
        return stat(at(devpath.substr(1)).c_str(), &status) == 0 ? status.st_ino : 0;
    }

    void need(const std::vector<std::pair<std::string, std::string>>& names) {
        AttributeNeeds fresh;
        for (const auto& [subsystem, name] : names) fresh.need(subsystem, name);
        needs = std::make_shared<const AttributeNeeds>(std::move(fresh));
        if (reader) reader->need(needs);
    }
    void start(SysfsReader::Limits limits) { start(path(), limits); }
    void start(const std::string& root, SysfsReader::Limits limits) {
        reader = std::make_unique<SysfsReader>(root, maker(), limits);
        reader->need(needs);
    }
    SysfsReader::RecordsMaker maker() const {
        return [gate = gate] {
            return [gate](std::string_view devpath) { return gate->record(devpath); };
        };
    }

    std::vector<std::filesystem::path> reading_threads() const {
        std::vector<std::filesystem::path> out;
        std::ranges::set_difference(threads_now(), others, std::back_inserter(out));
        return out;
    }
    bool readable(int timeout) const {
        pollfd fd{reader->fd(), POLLIN, 0};
        return poll(&fd, 1, timeout) == 1;
    }
    template <class Condition>
    bool until(const Condition& condition) {
        while (!condition()) {
            if (!readable(kTimeout)) return false;
            for (ReadAnswer& answer : reader->take()) answers.push_back(std::move(answer));
        }
        return true;
    }
    bool until_answered(size_t count) {
        return until([&] { return answers.size() >= count; });
    }
    template <class Answer>
    std::vector<const Answer*> all() const {
        std::vector<const Answer*> out;
        for (const ReadAnswer& answer : answers)
            if (const auto* one = std::get_if<Answer>(&answer)) out.push_back(one);
        return out;
    }
    // "attributes /devices/…", "look …", "gone …", "walk", "stuck", "over": what came, in order.
    Words words() const {
        Words out;
        for (const ReadAnswer& answer : answers)
            if (const auto* read = std::get_if<AttributesRead>(&answer))
                out.push_back("attributes " + read->devpath);
            else if (const auto* looked = std::get_if<DeviceLooked>(&answer))
                out.push_back((looked->look.found ? "look " : "gone ") + looked->look.devpath);
            else if (const auto* stuck = std::get_if<ReadStuck>(&answer))
                out.emplace_back(stuck->over ? "over" : "stuck");
            else out.emplace_back("walk");
        return out;
    }
    // "stuck", "over": what was told of one file. A slow machine may be told to be stuck elsewhere.
    Words told(const std::string& file, const std::string& sentence) const {
        Words out;
        for (const ReadStuck* stuck : all<ReadStuck>())
            if (stuck->what == path() + file + sentence)
                out.emplace_back(stuck->over ? "over" : "stuck");
        return out;
    }
    // The only thread, or one of them, in a look at bus0/gate.
    void block() {
        gate->close(kGate);
        reader->look(kGate);
        REQUIRE(gate->holds(kGate));
    }
    void unblock() const { gate->open(kGate); }

    const std::string kGate = "/devices/bus0/gate", kGate2 = "/devices/bus0/gate2";
    const std::string kPort = "/devices/bus0/port", kEth0 = "/devices/bus0/port/net/eth0";
    const std::string kRecord = ": reading udev's record takes longer than 20ms";
    const SysfsReader::Limits one{.threads = 1, .stuck = kLong, .idle = kLong};
    const SysfsReader::Limits two{.threads = 2, .stuck = kLong, .idle = kLong};
    // Those that are not the reader's. ThreadSanitizer starts one of its own together with the
    // first.
    const std::set<std::filesystem::path> others = [] {
        std::thread([] {}).join();
        return threads_now();
    }();
    std::shared_ptr<Gate> gate = std::make_shared<Gate>();
    std::shared_ptr<const AttributeNeeds> needs;
    std::unique_ptr<SysfsReader> reader;
    std::vector<ReadAnswer> answers;
};

// A FUSE file system that is one file, at a file of the tree. Who opens it waits until end().
struct DeadFile {
    explicit DeadFile(std::string at) : path(std::move(at)) {
        fuse = Descriptor(open("/dev/fuse", O_RDWR | O_CLOEXEC));
        std::string options =
            "fd=" + std::to_string(fuse.get()) + ",rootmode=100444,user_id=0,group_id=0";
        mounted = fuse && mount("devmux-test", path.c_str(), "fuse", MS_NOSUID | MS_NODEV,
                                options.c_str()) == 0;
        if (!mounted) MESSAGE("skipped: needs root and FUSE");
        if (!mounted) return;
        std::array<char, FUSE_MIN_READ_BUFFER> request;
        REQUIRE(read(fuse.get(), request.data(), request.size()) > 0);
        struct {
            fuse_out_header header{};
            fuse_init_out init{};
        } reply;
        fuse_in_header asked{};
        std::memcpy(&asked, request.data(), sizeof asked);
        REQUIRE(asked.opcode == FUSE_INIT);
        reply.header = {.len = sizeof reply, .error = 0, .unique = asked.unique};
        reply.init.major = FUSE_KERNEL_VERSION;
        reply.init.minor = FUSE_KERNEL_MINOR_VERSION;
        reply.init.max_write = 4096;
        REQUIRE(write(fuse.get(), &reply, sizeof reply) == sizeof reply);
    }
    ~DeadFile() { end(); }
    void end() {
        if (!mounted) return;
        mounted = false;
        umount2(path.c_str(), MNT_DETACH);
        fuse = Descriptor();
    }
    // Whether somebody is in there, waiting for an answer.
    bool asked() const {
        pollfd request{fuse.get(), POLLIN, 0};
        return poll(&request, 1, kTimeout) == 1;
    }
    std::string path;
    Descriptor fuse;
    bool mounted = false;
};

}  // namespace

TEST_SUITE_BEGIN("intake/sysfs_reader");

TEST_CASE_FIXTURE(Machine, "nothing is asked: no thread, nothing to take") {
    start({});
    CHECK(reading_threads().empty());
    CHECK_FALSE(readable(0));
    CHECK(reader->take().empty());
}

TEST_CASE_FIXTURE(Machine, "attributes: each that is needed, of the directory that is there") {
    start(one);
    reader->read_attributes(kPort, "usb");
    REQUIRE(until_answered(1));
    const auto* read = std::get_if<AttributesRead>(&answers[0]);
    REQUIRE(read);
    CHECK(read->devpath == kPort);
    CHECK(read->generation == Generation{.inode = inode(kPort)});
    REQUIRE(read->attributes.size() == 2);
    CHECK(read->attributes[0].name == "maxchild");
    CHECK(read->attributes[0].text == std::nullopt);
    CHECK(read->attributes[1].name == "speed");
    CHECK(read->attributes[1].text == "480");
    CHECK(gate->asked().empty());
}

TEST_CASE_FIXTURE(Machine, "attributes that nobody needs, and of what is no device: no answer") {
    start(one);
    reader->read_attributes(kPort, "input");
    CHECK(reading_threads().empty());
    reader->read_attributes("/devices/bus0/none", "usb");
    reader->read_attributes("/devices/bus0/port/net", "usb");
    reader->read_attributes("/kernel", "usb");
    reader->read_attributes(kEth0, "net");
    REQUIRE(until_answered(1));
    CHECK(words() == Words{"attributes " + kEth0});
}

TEST_CASE_FIXTURE(Machine, "a look: the device, its ancestors, and what udev says of them") {
    device("bus0/port/net/unrecorded", "net");
    start(one);
    reader->look(kEth0);
    reader->look("/devices/bus0/port/net/unrecorded");
    reader->look("/devices/bus0/port/net/eth9");
    reader->look("/devices/bus0");
    REQUIRE(until_answered(4));
    auto looks = all<DeviceLooked>();
    REQUIRE(looks.size() == 4);
    REQUIRE(looks[0]->ancestors.size() == 2);
    CHECK(looks[0]->ancestors[0].devpath == "/devices/bus0");
    CHECK(looks[0]->ancestors[0].udev == std::nullopt);
    CHECK(looks[0]->ancestors[1].devpath == kPort);
    CHECK(looks[0]->ancestors[1].udev == "OF=/devices/bus0/port\0"s);
    CHECK(looks[0]->ancestors[1].standing.attributes.at(1).text == "480");
    const std::optional<FoundDevice>& found = looks[0]->look.found;
    REQUIRE(found);
    CHECK(found->subsystem == "net");
    CHECK(found->udev == "OF=/devices/bus0/port/net/eth0\0"s);
    CHECK(found->standing.generation.inode == inode(kEth0));
    CHECK(found->standing.attributes.at(0).text == "00:11");
    CHECK(looks[1]->look.found->udev == std::nullopt);
    CHECK_FALSE(looks[2]->look.found);
    CHECK(looks[2]->look.devpath == "/devices/bus0/port/net/eth9");
    CHECK(looks[2]->ancestors.size() == 2);  // of what is gone, too
    CHECK(looks[3]->ancestors.empty());
    // bus0 has no subsystem: udev was never asked for it.
    for (const std::string& devpath : gate->asked()) CHECK(devpath != "/devices/bus0");
}

TEST_CASE_FIXTURE(Machine,
                  "a walk: as by walk_sysfs, with udev's records and the number at its end") {
    start(one);
    block();
    reader->walk();
    file("kernel/uevent_seqnum", "78\n");
    unblock();
    REQUIRE(until_answered(2));
    const auto* walked = std::get_if<Walked>(&answers[1]);
    REQUIRE(walked);
    CHECK(walked->ended_at == 78);
    Result<Snapshot> expected = walk_sysfs(Sysfs(path()), *needs);
    REQUIRE(expected);
    REQUIRE(walked->snapshot);
    REQUIRE(walked->snapshot->devices.size() == expected->devices.size());
    for (size_t i = 0; i < expected->devices.size(); ++i) {
        const FoundDevice& device = walked->snapshot->devices[i];
        CAPTURE(device.devpath);
        CHECK(device.devpath == expected->devices[i].devpath);
        CHECK(device.block == expected->devices[i].block);
        CHECK(device.standing.generation == expected->devices[i].standing.generation);
        CHECK(device.standing.attributes.size() == expected->devices[i].standing.attributes.size());
        if (device.subsystem.empty()) CHECK(device.udev == std::nullopt);
        else CHECK(device.udev == "OF=" + device.devpath + '\0');
    }
}

TEST_CASE_FIXTURE(Machine, "an event during the walk: the two numbers differ") {
    start(one);
    gate->close(kGate);
    reader->walk();
    REQUIRE(gate->holds(kGate));
    file("kernel/uevent_seqnum", "80\n");
    unblock();
    REQUIRE(until_answered(1));
    const auto* walked = std::get_if<Walked>(&answers[0]);
    REQUIRE(walked);
    REQUIRE(walked->snapshot);
    CHECK(walked->snapshot->seqnum == 77);
    CHECK(walked->ended_at == 80);
}

TEST_CASE_FIXTURE(Machine, "an event during a look: the number is that of before") {
    start(one);
    block();
    file("kernel/uevent_seqnum", "80\n");
    unblock();
    reader->look("/devices/none");
    REQUIRE(until_answered(2));
    CHECK(all<DeviceLooked>()[0]->look.seqnum == 77);
    CHECK(all<DeviceLooked>()[1]->look.seqnum == 80);
}

TEST_CASE_FIXTURE(Machine, "a walk that fails says so, and the deepest tree fits onto the stack") {
    std::string deep = "devices";
    for (size_t i = 0; i < kWalkMaxDepth; ++i) deep += "/d";
    file(deep + "/uevent");
    start(one);
    reader->walk();
    REQUIRE(until_answered(1));
    CHECK(std::get<Walked>(answers[0]).snapshot);
    file(deep + "/d/uevent");
    reader->walk();
    REQUIRE(until_answered(2));
    REQUIRE_FALSE(std::get<Walked>(answers[1]).snapshot);
    CHECK(std::get<Walked>(answers[1]).snapshot.error().what == "more than 64 directories deep");
}

TEST_CASE_FIXTURE(Machine, "without records and without a root it works all the same") {
    reader = std::make_unique<SysfsReader>(path(), nullptr, one);
    reader->look(kPort);
    REQUIRE(until_answered(1));
    CHECK(std::get<DeviceLooked>(answers[0]).look.found->udev == std::nullopt);
    CHECK(std::get<DeviceLooked>(answers[0]).look.found->standing.attributes.empty());
    reader = std::make_unique<SysfsReader>(
        path(), [] { return nullptr; }, one);
    reader->look(kPort);
    REQUIRE(until_answered(2));
    CHECK(std::get<DeviceLooked>(answers[1]).look.found->udev == std::nullopt);
    start("/nonexistent/sys", one);
    reader->look(kPort);
    reader->walk();
    REQUIRE(until_answered(4));
    CHECK(words()[2] == "gone " + kPort);
    CHECK_FALSE(std::get<Walked>(answers[3]).snapshot);
}

TEST_CASE_FIXTURE(Machine, "this machine: the same devices as walk_sysfs finds") {
    start("/sys", two);
    Sysfs sysfs("/sys");
    using Row = std::tuple<std::string, std::string, uint64_t>;
    auto rows = [](const Snapshot& snapshot) {
        std::vector<Row> out;
        for (const FoundDevice& device : snapshot.devices)
            out.emplace_back(device.devpath, device.subsystem, device.standing.generation.inode);
        return out;
    };
    std::vector<Row> expected, found;
    // Again, if a device came or went meanwhile.
    for (int i = 0; i < 50 && (found.empty() || expected != found); ++i) {
        answers.clear();
        reader->walk();
        Result<Snapshot> snapshot = walk_sysfs(sysfs, *needs);
        REQUIRE(snapshot);
        REQUIRE(until_answered(1));
        const auto& walked = std::get<Walked>(answers[0]);
        REQUIRE_MESSAGE(walked.snapshot, walked.snapshot.error().to_string());
        CHECK(walked.ended_at >= walked.snapshot->seqnum);
        CHECK(walked.snapshot->seqnum > 0);
        expected = rows(*snapshot);
        found = rows(*walked.snapshot);
    }
    CHECK(found.size() > 10);
    CHECK(found == expected);
}

TEST_CASE_FIXTURE(Machine,
                  "requests for the same device that wait are one, in the order of the first") {
    start(one);
    block();
    for (int i = 0; i < 100; ++i) {
        reader->read_attributes(kPort, "usb");
        reader->read_attributes(kEth0, "net");
        reader->look("/devices/bus0");
        reader->look(kEth0);
        reader->walk();
    }
    reader->look("/devices/none");
    unblock();
    REQUIRE(until_answered(6));
    CHECK(words() == Words{"look " + kGate, "attributes " + kPort, "look " + kEth0,
                           "look /devices/bus0", "gone /devices/none", "walk"});
    CHECK_FALSE(readable(0));
}

TEST_CASE_FIXTURE(Machine, "what is asked of a device while it is read is read once more") {
    start(two);
    block();
    reader->read_attributes(kGate, "usb");
    reader->look(kGate);
    reader->look(kGate);
    // The other thread is free, and yet does not read the same device at the same time.
    reader->look(kPort);
    REQUIRE(until_answered(1));
    CHECK(words() == Words{"look " + kPort});
    CHECK(std::ranges::count(gate->asked(), kGate) == 1);
    unblock();
    REQUIRE(until_answered(3));
    CHECK(words() == Words{"look " + kPort, "look " + kGate, "look " + kGate});
    CHECK_FALSE(readable(0));
}

TEST_CASE_FIXTURE(Machine, "walks that are asked for during a walk are one") {
    start(two);
    gate->close(kGate);
    reader->walk();
    REQUIRE(gate->holds(kGate));
    for (int i = 0; i < 5; ++i) reader->walk();
    reader->look(kPort);
    REQUIRE(until_answered(1));
    CHECK(std::ranges::count(gate->asked(), kGate) == 1);
    unblock();
    REQUIRE(until_answered(3));
    reader->look(kEth0);
    REQUIRE(until_answered(4));
    CHECK(words() == Words{"look " + kPort, "walk", "walk", "look " + kEth0});
}

TEST_CASE_FIXTURE(Machine, "a read that blocks holds up nobody but itself") {
    start(two);
    block();
    for (int i = 0; i < 100; ++i) {
        reader->look(kEth0);
        reader->read_attributes(kPort, "usb");
        REQUIRE(until([&] { return all<DeviceLooked>().size() > size_t(i); }));
        REQUIRE(until([&] { return all<AttributesRead>().size() > size_t(i); }));
    }
    CHECK(reading_threads().size() == 2);
    unblock();
    REQUIRE(until_answered(201));
    CHECK(words().back() == "look " + kGate);
}

TEST_CASE_FIXTURE(Machine, "all threads are blocked: told once, and again when it is over") {
    start({.threads = 2, .stuck = milliseconds(20), .idle = kLong});
    gate->close(kGate);
    gate->close(kGate2);
    reader->look(kGate);
    reader->look(kGate2);
    REQUIRE(until([&] {
        return told(kGate, kRecord) == Words{"stuck"} && told(kGate2, kRecord) == Words{"stuck"};
    }));
    reader->look(kPort);
    while (readable(0)) reader->take();
    // From now on nothing changes, and nobody is woken.
    CHECK_FALSE(readable(100));
    unblock();
    REQUIRE(until([&] { return all<DeviceLooked>().size() == 2; }));
    CHECK(all<DeviceLooked>()[0]->look.devpath == kGate);
    CHECK(all<DeviceLooked>()[1]->look.devpath == kPort);
    CHECK(told(kGate, kRecord) == Words{"stuck", "over"});
    CHECK(told(kGate2, kRecord) == Words{"stuck"});
    gate->open(kGate2);
    REQUIRE(until([&] { return all<DeviceLooked>().size() == 3; }));
    CHECK(told(kGate2, kRecord) == Words{"stuck", "over"});
}

TEST_CASE_FIXTURE(Machine, "a walk is stuck in one device after the other, and each is told of") {
    start({.threads = 1, .stuck = milliseconds(20), .idle = kLong});
    gate->close(kGate);
    gate->close(kGate2);
    reader->walk();
    // In the order of the directory, whatever that is.
    REQUIRE(until([&] { return !told(kGate, kRecord).empty() || !told(kGate2, kRecord).empty(); }));
    bool first = !told(kGate, kRecord).empty();
    const std::string& before = first ? kGate : kGate2;
    const std::string& after = first ? kGate2 : kGate;
    gate->open(before);
    REQUIRE(until([&] { return told(after, kRecord) == Words{"stuck"}; }));
    CHECK(told(before, kRecord) == Words{"stuck", "over"});
    gate->open(after);
    REQUIRE(until([&] { return all<Walked>().size() == 1; }));
    CHECK(told(after, kRecord) == Words{"stuck", "over"});
}

TEST_CASE_FIXTURE(Machine,
                  "a driver that does not answer: the file is named, the others are read") {
    DeadFile dead(at("devices/bus0/port/speed"));
    if (!dead.mounted) return;
    const std::string sentence = ": reading takes longer than 20ms; its driver does not answer";
    auto stuck = [&] { return told(kPort + "/speed", sentence); };
    start({.threads = 2, .stuck = milliseconds(20), .idle = kLong});
    reader->read_attributes(kPort, "usb");
    REQUIRE(dead.asked());
    reader->read_attributes(kEth0, "net");
    REQUIRE(until([&] { return stuck().size() == 1 && all<AttributesRead>().size() == 1; }));
    CHECK(all<AttributesRead>()[0]->devpath == kEth0);
    dead.end();
    REQUIRE(until([&] { return all<AttributesRead>().size() == 2; }));
    CHECK(stuck() == Words{"stuck", "over"});
    CHECK(all<AttributesRead>()[1]->devpath == kPort);
    CHECK(all<AttributesRead>()[1]->attributes.at(1).text == std::nullopt);
}

TEST_CASE_FIXTURE(Machine, "the end does not wait for a driver either") {
    DeadFile dead(at("devices/bus0/port/speed"));
    if (!dead.mounted) return;
    start(two);
    reader->walk();
    REQUIRE(dead.asked());
    auto begin = std::chrono::steady_clock::now();
    reader.reset();
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(50));
    CHECK(reading_threads().size() == 1);
}

TEST_CASE_FIXTURE(Machine, "what is needed is what was needed when it is read") {
    start(one);
    block();
    reader->read_attributes(kPort, "usb");
    reader->read_attributes(kEth0, "net");
    need({{"usb", "maxchild"}});
    unblock();
    reader->look("/devices/none");
    REQUIRE(until_answered(3));
    CHECK(words() == Words{"look " + kGate, "attributes " + kPort, "gone /devices/none"});
    REQUIRE(all<AttributesRead>()[0]->attributes.size() == 1);
    CHECK(all<AttributesRead>()[0]->attributes[0].name == "maxchild");
}

TEST_CASE_FIXTURE(Machine,
                  "10,000 requests for 100 devices: the last answer of each is the last word") {
    for (int i = 0; i < 100; ++i) device("many/d" + std::to_string(i), "usb");
    start({.threads = 4, .stuck = kLong, .idle = kLong});
    std::map<std::string, std::string> said;
    size_t count = 0;
    auto take = [&] {
        for (const ReadAnswer& answer : reader->take()) {
            const auto& read = std::get<AttributesRead>(answer);
            said[read.devpath] = read.attributes.at(1).text.value_or("");
            ++count;
        }
    };
    for (int round = 0; round < 100; ++round) {
        for (int i = 0; i < 100; ++i) {
            std::string name = "/many/d" + std::to_string(i);
            if (round % 33 == 0) file("devices" + name + "/speed", std::to_string(round));
            reader->read_attributes("/devices" + name, "usb");
        }
        take();
    }
    auto done = [&] {
        return said.size() == 100 &&
               std::ranges::all_of(said, [](const auto& one) { return one.second == "99"; });
    };
    while (!done()) {
        REQUIRE(readable(kTimeout));
        take();
    }
    CHECK(count <= 10'000);
    CHECK(reading_threads().size() <= 4);
}

TEST_CASE_FIXTURE(Machine, "too many requests: a walk stands for them") {
    SysfsReader::Limits limits = one;
    limits.waiting = 10;
    start(limits);
    block();
    for (int i = 0; i <= 10; ++i) reader->look("/devices/none" + std::to_string(i));
    reader->look(kPort);
    unblock();
    REQUIRE(until_answered(3));
    CHECK(words() == Words{"look " + kGate, "look " + kPort, "walk"});
    CHECK_FALSE(readable(0));
}

TEST_CASE_FIXTURE(Machine,
                  "answers that are not taken pile up to a bound, and it goes on after that") {
    start({.threads = 4, .stuck = kLong, .idle = milliseconds(1)});
    constexpr size_t kAll = 5000;
    for (size_t i = 0; i < kAll; ++i) reader->look("/devices/none" + std::to_string(i));
    // The threads end with most of the work not done.
    REQUIRE(becomes_true([&] { return reading_threads().empty(); }));
    answers = reader->take();
    CHECK(answers.size() >= 1024);
    CHECK(answers.size() < 1024 + 4);
    REQUIRE(until_answered(kAll));
    std::set<std::string> devpaths;
    for (const DeviceLooked* looked : all<DeviceLooked>()) devpaths.insert(looked->look.devpath);
    CHECK(devpaths.size() == kAll);
}

TEST_CASE_FIXTURE(Machine, "threads: as many as are needed, none when idle, and none is woken") {
    start({.threads = 3, .stuck = milliseconds(20), .idle = milliseconds(10)});
    for (int round = 0; round < 3; ++round) {
        answers.clear();
        gate->close(kGate);
        gate->close(kGate2);
        reader->look(kGate);
        reader->look(kGate2);
        REQUIRE(gate->holds(kGate));
        REQUIRE(gate->holds(kGate2));
        CHECK(reading_threads().size() == 2);
        gate->open_all();
        REQUIRE(until([&] { return all<DeviceLooked>().size() == 2; }));
        // One that is gone has no attributes to tell, and still leaves nothing behind.
        reader->read_attributes("/devices/none", "usb");
        REQUIRE(becomes_true([&] { return reading_threads().empty(); }));
        while (readable(0)) reader->take();
        std::clock_t before = std::clock();
        CHECK_FALSE(readable(100));
        CHECK(std::clock() - before < CLOCKS_PER_SEC / 20);
    }
}

TEST_CASE_FIXTURE(Machine, "a reading thread has a name, and no signals") {
    start(one);
    block();
    auto threads = reading_threads();
    REQUIRE(threads.size() == 1);
    std::string name;
    std::getline(std::ifstream(threads[0] / "comm"), name);
    CHECK(name == "devmux-sysfs");
    uint64_t blocked = 0;
    std::ifstream status(threads[0] / "status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("SigBlk:")) blocked = std::stoull(line.substr(7), nullptr, 16);
    for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1})
        CHECK((blocked >> (signal - 1) & 1) == 1);
    sigset_t mine;
    REQUIRE(pthread_sigmask(SIG_SETMASK, nullptr, &mine) == 0);
    CHECK(sigismember(&mine, SIGUSR1) == 0);
}

TEST_CASE_FIXTURE(Machine,
                  "the end does not wait for a read that blocks, which outlives it safely") {
    start(two);
    block();
    reader->walk();
    REQUIRE(gate->holds(kGate, 2));
    for (int i = 0; i < 100; ++i) reader->look("/devices/none" + std::to_string(i));
    auto begin = std::chrono::steady_clock::now();
    reader.reset();
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(50));
    CHECK(reading_threads().size() == 2);
    gate->open_all();
    REQUIRE(becomes_true([&] { return reading_threads().empty(); }));
    // What was theirs alone is gone with them.
    CHECK(becomes_true([&] { return gate.use_count() == 1; }));
    CHECK(gate->asked().size() < 10);  // and they did no more than what they were at
}

TEST_CASE_FIXTURE(Machine, "the end of threads that are idle, at work, and never were") {
    start(two);
    reader.reset();
    start(two);
    reader->look(kPort);
    REQUIRE(until_answered(1));
    reader.reset();
    CHECK(becomes_true([&] { return gate.use_count() == 1; }));
    for (int i = 0; i < 50; ++i) {
        start({.threads = 4, .stuck = kLong, .idle = milliseconds(1)});
        for (int n = 0; n < i; ++n) reader->look(n % 2 ? kPort : kEth0);
        reader->walk();
        reader.reset();
    }
}

TEST_CASE_FIXTURE(Machine, "no descriptors: a device that is there is not called gone") {
    start(one);
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit none{.rlim_cur = 3, .rlim_max = before.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    reader->look(kPort);
    bool answered = until_answered(1);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    REQUIRE(answered);
    const auto* walked = std::get_if<Walked>(&answers[0]);
    REQUIRE(walked);
    REQUIRE_FALSE(walked->snapshot);
    CHECK(walked->snapshot.error().what.find("Too many open files") != std::string::npos);
    reader->look(kPort);
    REQUIRE(until_answered(2));
    CHECK(words()[1] == "look " + kPort);
}

TEST_CASE_FIXTURE(Machine, "no thread can be started: told, tried again, and told") {
    if (geteuid() != 0) {
        MESSAGE("skipped: needs root to become another user");
        return;
    }
    start(one);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        // Only a user without rights is held to his number of processes: setrlimit(2).
        rlimit before{}, none{};
        getrlimit(RLIMIT_NPROC, &before);
        none.rlim_max = before.rlim_max;
        if (setrlimit(RLIMIT_NPROC, &none) != 0 || setresuid(65534, 65534, 65534) != 0) _exit(2);
        reader->look("/devices/none");
        reader->look("/devices/none2");
        if (!until_answered(1)) _exit(3);
        if (words() != Words{"stuck"}) _exit(4);
        if (all<ReadStuck>()[0]->what.find("Resource temporarily") == std::string::npos) _exit(5);
        setrlimit(RLIMIT_NPROC, &before);
        if (!until_answered(4)) _exit(6);
        _exit(words() == Words{"stuck", "over", "gone /devices/none", "gone /devices/none2"} ? 0
                                                                                             : 7);
    }
    siginfo_t end{};
    REQUIRE(waitid(P_PID, static_cast<id_t>(child), &end, WEXITED) == 0);
    CHECK(end.si_code == CLD_EXITED);
    CHECK(end.si_status == 0);
}

TEST_SUITE_END();
