// Precompiled: the two header-only libraries that take most of the time to build the tools.
// No `#pragma once`: this is compiled as a file of its own.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
