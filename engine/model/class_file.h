// One file of classes.d -> one class.
//
//   class: cpu
//   aliases: [processor]
//   description: a processor that is online
//   subsystem: cpu
//   match: 'name ~ "cpu[0-9]*" and attr.online = "1" default "1"'
//   hardware: {PCI sound device: 'subsystem = "pci" and PCI_CLASS ~ "403??"'}    what could become one (hardware.h)
//   supplied-by: hot-plug of a processor, or `echo 1` into its online file
#pragma once

#include "engine/model/class_set.h"

namespace devmux {

Result<DeviceClass> read_class(std::string_view text, const std::string& file);

}  // namespace devmux
