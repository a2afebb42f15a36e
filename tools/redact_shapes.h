// What in a line of a recording is a secret: by the name of the variable or attribute in front of it, by
// where it stands on the kernel's command line, and by its shape.
#pragma once

#include <functional>
#include <string_view>

namespace devmux {

using Found = std::function<void(std::string_view secret)>;

// The value of "KEY=VALUE", "attr.NAME=VALUE", "udev.KEY=VALUE".
bool is_secret(std::string_view key);
// What a person may have called a device, where it is a Bluetooth one.
bool is_given_name(std::string_view key);
// The words of the kernel's command line.
void command_line_secrets(std::string_view words, const Found& found);
// Hardware addresses in every spelling, what is made of one, UUIDs, world wide names, names below
// /dev/disk/by-uuid and the like; anywhere.
void shapes(std::string_view line, const Found& found);

}  // namespace devmux
