// What units and devices cost: loading, memory, and one event - at 10, 100, 1,000 and 10,000 units and
// as many devices. An event that concerns one unit, or none, must cost the same however many there
// are. Ratios, not seconds: compare the rows of one run.
//
//   meson setup build -Dbench=true && ninja -C build && build/tests/bench/bench_engine
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <filesystem>
#include <fstream>

#include "engine/engine.h"
#include "engine/intake/uevent.h"

using namespace devmux;
namespace fs = std::filesystem;

namespace {

// A folder of `count` units: unit N waits for the disk of its number.
class Folder {
  public:
    explicit Folder(int count) {
        std::string name = (fs::temp_directory_path() / "devmux-bench-XXXXXX").string();
        path_ = mkdtemp(name.data());
        fs::create_directories(path_ / "classes.d");
        std::ofstream(path_ / "classes.d/disk.yaml") << "class: disk\ndescription: d\nsubsystem: block\n";
        for (int i = 0; i < count; ++i)
            std::ofstream(path_ / ("unit" + std::to_string(i) + ".yaml"))
                << "description: unit " << i << "\nwhile: 'disk[name = \"sd" << i << "\"]'\n"
                << "command: {start: [/bin/true], stop: [/bin/true]}\n";
    }
    ~Folder() { fs::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ConfigurationDirs dirs() const { return {{path_.string()}}; }

  private:
    fs::path path_;
};

std::string devpath(int i) { return "/devices/pci0000:00/0000:00:01.0/host0/block/sd" + std::to_string(i); }

std::string message(const std::string& action, int device, uint64_t seqnum, int change) {
    return action + "@" + devpath(device) + '\0' + "ACTION=" + action + '\0' + "DEVPATH=" + devpath(device) + '\0' +
           "SUBSYSTEM=block" + '\0' + "MAJOR=8" + '\0' + "MINOR=0" + '\0' + "DEVNAME=sd" + std::to_string(device) +
           '\0' + "DEVTYPE=disk" + '\0' + "N=" + std::to_string(change) + '\0' + "SEQNUM=" + std::to_string(seqnum) + '\0';
}

// An engine with that many units and devices, all at rest.
struct Machine {
    explicit Machine(int count)
        : folder(count),
          engine(std::make_shared<const Configuration>(load_configuration(folder.dirs(), Trust::Waive)), "", Time{}) {
        engine.start({}, Time{}, actions);
        Snapshot snapshot;
        for (int i = 0; i < count; ++i) {
            FoundDevice found;
            found.devpath = devpath(i);
            found.subsystem = "block";
            found.block = "DEVPATH=" + found.devpath + '\0' + "SUBSYSTEM=block" + '\0' + "DEVTYPE=disk" + '\0';
            found.standing.exists = found.standing.device = true;
            found.standing.generation.inode = static_cast<uint64_t>(i) + 1;
            snapshot.devices.push_back(std::move(found));
        }
        handle(snapshot);
        handle(ColdplugComplete{});
    }
    void handle(const Event& event) {
        actions.clear();
        engine.handle(event, Time{}, actions);
        // Every job ends well at once.
        std::vector<JobId> jobs;
        for (const PlanAction& action : actions)
            if (const auto* job = std::get_if<RunJob>(&action)) jobs.push_back(job->job);
        for (JobId job : jobs) {
            Actions more;
            engine.handle(JobEnded{.job = job, .code = 0}, Time{}, more);
        }
    }
    void uevent(const std::string& text) {
        auto uevent = parse_uevent(text);
        Standing standing;
        standing.exists = standing.device = true;
        handle(DeviceEvent{*uevent, std::move(standing)});
    }

    Folder folder;
    Actions actions;
    Engine engine;
    uint64_t seqnum = 0;
};

void load(benchmark::State& state) {
    Folder folder(static_cast<int>(state.range(0)));
    for (auto _ : state) benchmark::DoNotOptimize(load_configuration(folder.dirs(), Trust::Require));
    state.counters["us_per_unit"] = benchmark::Counter(static_cast<double>(state.range(0)) * 1e-6,
        benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void memory(benchmark::State& state) {
    for (auto _ : state) {
        auto before = mallinfo2().uordblks;
        Machine machine(static_cast<int>(state.range(0)));
        state.counters["bytes_per_unit_and_device"] =
            static_cast<double>(mallinfo2().uordblks - before) / static_cast<double>(state.range(0));
    }
}

// The same event again and again: nothing is new, nobody is concerned.
void event_that_says_nothing_new(benchmark::State& state) {
    Machine machine(static_cast<int>(state.range(0)));
    machine.uevent(message("change", 3, ++machine.seqnum, 0));
    for (auto _ : state) machine.uevent(message("change", 3, ++machine.seqnum, 0));
}

// A property changed of a device that one unit asks for.
void event_that_concerns_one_unit(benchmark::State& state) {
    Machine machine(static_cast<int>(state.range(0)));
    int n = 0;
    for (auto _ : state) machine.uevent(message("change", 3, ++machine.seqnum, ++n));
}

// The device goes and comes: the unit is stopped and started.
void replug_of_one_units_device(benchmark::State& state) {
    Machine machine(static_cast<int>(state.range(0)));
    for (auto _ : state) {
        machine.uevent(message("remove", 3, ++machine.seqnum, 0));
        machine.uevent(message("add", 3, ++machine.seqnum, 0));
    }
}

}  // namespace

#define SIZES ->Arg(10)->Arg(100)->Arg(1000)->Arg(10000)
BENCHMARK(load) SIZES->Unit(benchmark::kMillisecond);
BENCHMARK(memory) SIZES->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(event_that_says_nothing_new) SIZES;
BENCHMARK(event_that_concerns_one_unit) SIZES;
BENCHMARK(replug_of_one_units_device) SIZES;
BENCHMARK_MAIN();
