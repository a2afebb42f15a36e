// See units_on_disk.h.
#include "engine/units_on_disk.h"

#include <algorithm>

#include "engine/loop.h"
#include "engine/model/unit_folders.h"

namespace devmux {
namespace {

// Looks take a twentieth of the loop's time, however often somebody asks. Only who has asked for so long that
// they are 5 s above that share gets an answer of before: one look is always fresh, also where many files
// stand there and the machine has much else to do.
constexpr int kShare = 20;
constexpr Duration kAbove = std::chrono::seconds(5);

}  // namespace

void UnitsOnDisk::load_begins() { fingerprint_ = fingerprint_of(dirs_); }

// What is in force is what is there, but for units that were kept as they were.
void UnitsOnDisk::loaded(const Configuration& in_force) {
    changes_ = changes_between(in_force, in_force);
    note_errors(in_force);
}

void UnitsOnDisk::note_errors(const Configuration& there) {
    errors_.clear();
    for (const auto& [name, errors] : there.broken)
        for (const Error& error : errors) errors_[name].push_back(error.to_string());
}

void UnitsOnDisk::look(const Configuration& in_force) {
    Time began = Loop::now();
    paid_ = std::max(paid_, began);
    if (paid_ > began + kShare * kAbove) return;
    uint64_t fingerprint = fingerprint_of(dirs_);
    paid_ += kShare * (Loop::now() - began);
    if (fingerprint == fingerprint_) return;
    fingerprint_ = fingerprint;
    Configuration there = load_configuration(dirs_, Trust::Require);
    changes_ = changes_between(in_force, there);
    note_errors(there);
}

void UnitsOnDisk::tell(UnitSnapshot& unit) const {
    if (auto change = changes_.units.find(unit.name); change != changes_.units.end()) {
        unit.changed_on_disk = true;
        unit.on_disk = to_string(change->second);
    }
    // Of what is broken both in force and there: as it is there.
    bool broken = unit.state == "broken" || unit.on_disk == "broken";
    if (auto errors = errors_.find(unit.name); broken && errors != errors_.end()) unit.errors = errors->second;
}

void UnitsOnDisk::tell(EngineSnapshot& engine) const {
    engine.unit_folders = dirs_.units;
    for (const auto& [name, change] : changes_.units) engine.on_disk[std::string(to_string(change))].push_back(name);
    if (!changes_.classes.empty()) engine.on_disk["classes"] = changes_.classes;
}

}  // namespace devmux
