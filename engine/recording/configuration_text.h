// The configuration in force as lines of a trace, and back through the very loader: each class and each
// unit as one effective file, whatever folders, replacements and drop-ins it came from, and whether
// its file on disk is still the one that was read. So nothing needs to keep the texts of files.
#pragma once

#include <memory>
#include <string>

#include "engine/model/configuration.h"
#include "engine/recording/device_text.h"

namespace devmux {

// A file that reads back to the same class or unit.
std::string class_file_text(const DeviceClass& c);
std::string unit_file_text(const Unit& unit);

// "configuration", then every class and unit, and the names of what is broken or masked.
void append_configuration(const Configuration& configuration, std::string& out);
// "unit NAME" or another word, and the file below it.
void append_unit(std::string_view word, const Unit& unit, std::string& out);

// Reads what append_configuration() wrote. Lines are given one by one.
class ConfigurationReader {
  public:
    explicit ConfigurationReader(TraceCursor& cursor) : cursor_(cursor) {}

    // Of "configuration", "class", "unit", "broken" and "masked".
    static bool knows(std::string_view word);
    std::optional<Error> read(const TraceLine& line);
    // All that was read since "configuration".
    std::shared_ptr<const Configuration> finish();
    // A unit that stands outside of a configuration, below another word.
    std::optional<Error> unit(const TraceLine& line, const ClassNames& classes, std::shared_ptr<const Unit>& out);

  private:
    Result<std::string> file_below();

    TraceCursor& cursor_;
    std::shared_ptr<ClassSet> classes_ = std::make_shared<ClassSet>();
    Configuration configuration_;
    bool classes_done_ = false;
};

}  // namespace devmux
