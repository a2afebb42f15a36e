// The one test binary; meson runs it once per suite, so that a failure names its suite.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
