// See device_checkpoint.h: the device table, out and in.
#include "engine/model/device_checkpoint.h"

#include "engine/model/device_table.h"

namespace devmux {

DeviceTableCheckpoint DeviceTable::checkpoint() const {
    DeviceTableCheckpoint out;
    std::vector<const Device*> todo;
    for (auto it = by_path_.rbegin(); it != by_path_.rend(); ++it)
        if (!(*it)->parent_) todo.push_back(*it);
    while (!todo.empty()) {
        const Device& d = *todo.back();
        todo.pop_back();
        todo.insert(todo.end(), d.children_.rbegin(), d.children_.rend());
        out.devices.push_back({d.devpath_, d.subsystem_, d.driver_, d.block_, d.kernel_bytes_, d.attributes_,
                               d.generation_, d.seqnum_, d.event_seqnum_, d.told_, d.here_, d.born_, d.ready_seqnum_,
                               d.since_, d.came_, d.expected_, d.ready_, d.lenient_, d.walked_, d.in_doubt_, d.rereading_,
                               d.succeeds_, std::nullopt});
        if (classes_->classify(d) == d.classes_) continue;
        auto& classes = out.devices.back().classes.emplace();
        for (const auto& m : d.classes_) classes.emplace_back(classes_->class_name(m.id), m.unsure);
    }
    for (const std::string& devpath : buried_) {
        const Grave& grave = tombstones_.find(devpath)->second;
        out.graves.push_back({devpath, grave.seqnum, grave.inode, grave.at});
    }
    out.forgotten_upto = forgotten_upto_;
    out.walked_upto = walked_upto_;
    out.all_in_doubt = all_in_doubt_;
    out.awaits_udev = awaits_udev_;
    return out;
}

void DeviceTable::restore(const DeviceTableCheckpoint& from) {
    for (const DeviceTableCheckpoint::Known& k : from.devices) {
        if (known(k.devpath)) continue;
        Device& d = insert(k.devpath, k.subsystem, k.came);
        d.driver_ = k.driver;
        d.block_ = k.block;
        d.kernel_bytes_ = std::min<size_t>(k.kernel_bytes, k.block.size());
        d.attributes_ = k.attributes;
        set_generation(d, k.generation);
        d.seqnum_ = k.seqnum;
        d.event_seqnum_ = k.event_seqnum;
        d.told_ = k.told;
        d.here_ = k.here;
        d.born_ = k.born;
        d.ready_seqnum_ = k.ready_seqnum;
        d.since_ = k.since;
        d.expected_ = k.expected;
        d.walked_ = k.walked;
        d.in_doubt_ = k.in_doubt;
        d.rereading_ = k.rereading;
        d.succeeds_ = k.succeeds;
        d.lenient_ = k.lenient;
        d.ready_ = k.ready;
        if (!d.ready_) waiting_.insert({d.came_, d.devpath_});
        if (!d.ready_ && !d.lenient_) ++strict_;
        if (!k.classes) {
            classify(d);
            continue;
        }
        for (const auto& [name, unsure] : *k.classes)
            if (auto id = classes_->find(name)) d.classes_.push_back({*id, unsure});
        enter_classes(d);
    }
    for (const DeviceTableCheckpoint::Grave& grave : from.graves) {
        bury(grave.devpath, grave.seqnum);
        if (auto it = tombstones_.find(grave.devpath); it != tombstones_.end())
            it->second = {grave.seqnum, grave.inode, grave.at};
    }
    forgotten_upto_ = from.forgotten_upto;
    walked_upto_ = from.walked_upto;
    all_in_doubt_ = from.all_in_doubt;
    awaits_udev_ = from.awaits_udev;
}

}  // namespace devmux
