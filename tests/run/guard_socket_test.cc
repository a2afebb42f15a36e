// The socket at which init scripts ask, and the program's own half of it at the other end.
#include "engine/run/guard_socket.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <thread>

#include "tests/run/temp_dir.h"
#include "tools/guard/question.h"

using namespace devmux;

static_assert(kGuardQuestionMost == kGuardQuestionMax && kGuardAnswerMost == kGuardAnswerMax);

namespace {

std::string told_text;
void told(const char* text) { told_text = text; }

// Asks as devmux does, in a directory of its own; the working directory is put back.
struct Asker {
    std::filesystem::path before = std::filesystem::current_path();
    GuardAnswer answer{};
    std::thread thread;
    Asker(const std::string& directory, const char* name, bool again = false)
        : thread([this, directory, name, kind = again ? kGuardAgain : kGuardStart] {
              int fd = open(directory.c_str(), O_PATH | O_CLOEXEC);
              ask_guard(fd, name, kind, kGuardPatience, &answer, told);
              close(fd);
          }) {}
    void done() { thread.join(); }
    ~Asker() {
        if (thread.joinable()) thread.join();
        std::filesystem::current_path(before);
    }
};

GuardClient next_client(GuardSocket& socket) {
    pollfd at{.fd = socket.fd(), .events = POLLIN, .revents = 0};
    REQUIRE(poll(&at, 1, -1) == 1);
    auto client = socket.accept();
    REQUIRE(client);
    REQUIRE(client->fd);
    return std::move(*client);
}

GuardHeard next_question(const GuardClient& client) {
    pollfd at{.fd = client.fd.get(), .events = POLLIN, .revents = 0};
    REQUIRE(poll(&at, 1, -1) == 1);
    return hear_guard(client.fd);
}

}  // namespace

TEST_SUITE("run/guard_socket") {
    TEST_CASE("what is a question") {
        CHECK(guard_question("1 start gdm")->unit == "gdm");
        CHECK_FALSE(guard_question("1 start gdm")->again);
        CHECK(guard_question("1 again unit@eth0.5:x")->again);
        CHECK(guard_question("1 stop gdm")->stop);
        CHECK(guard_question("1 stop gdm")->unit == "gdm");
        CHECK_FALSE(guard_question("1 start gdm")->stop);
        CHECK(guard_question("1 start " + std::string(64, 'a')));
        for (const std::string& no : {std::string(), std::string("1 start "), std::string("2 start gdm"), std::string("1 stops gdm"), std::string("1 stop "),
                                      "1 start " + std::string(65, 'a'), std::string("1 start a/b"), std::string("1 start a\0b", 11),
                                      std::string("1 start .a"), std::string("1 start a\n")})
            CHECK_FALSE(guard_question(no));
        CHECK(guard_name_is_good("unit@eth0.5:x"));
        for (const char* no : {"", ".a", "a/b", "a b", "a\n"}) CHECK_FALSE(guard_name_is_good(no));
        CHECK_FALSE(guard_name_is_good(std::string(65, 'a').c_str()));
    }

    TEST_CASE("question, word of waiting, answer; and ends on either side") {
        TempDir dir;
        auto socket = GuardSocket::open(dir.path() + "/guard");
        REQUIRE(socket);
        struct stat status {};
        REQUIRE(stat((dir.path() + "/guard").c_str(), &status) == 0);
        CHECK((status.st_mode & 07777) == 0600);
        CHECK_FALSE(socket->accept());
        {
            Asker asker(dir.path(), "gdm");
            GuardClient client = next_client(*socket);
            CHECK(client.pid == getpid());
            GuardHeard heard = next_question(client);
            REQUIRE(heard.kind == GuardHeard::Kind::Question);
            CHECK(heard.question.unit == "gdm");
            CHECK(hear_guard(client.fd).kind == GuardHeard::Kind::NotYet);
            CHECK(guard_waits(client.fd));
            CHECK(answer_guard(client.fd, GuardWord::Wait, "soon"));
            CHECK(answer_guard(client.fd, GuardWord::No, "it\nruns " + std::string(2000, 'x')));
            asker.done();
            CHECK(asker.answer.outcome == kGuardNo);
            CHECK(std::string(asker.answer.text).starts_with("it\\x0aruns xxx"));
            CHECK(told_text == "soon");
            CHECK_FALSE(guard_waits(client.fd));
            CHECK_FALSE(answer_guard(client.fd, GuardWord::No, "too late"));
            CHECK(hear_guard(client.fd).kind == GuardHeard::Kind::Gone);
        }
        for (GuardWord word : {GuardWord::GoOn, GuardWord::Wait}) {
            Asker asker(dir.path(), "gdm", true);
            {
                GuardClient client = next_client(*socket);
                CHECK(next_question(client).question.again);
                CHECK(answer_guard(client.fd, word, ""));
            }
            asker.done();
            CHECK(asker.answer.outcome == (word == GuardWord::GoOn ? kGuardGoOn : kGuardLost));
        }
        {
            Asker asker(dir.path(), "gdm");
            next_client(*socket);  // and hung up at once
            asker.done();
            // Before it had asked, or after.
            CHECK((asker.answer.outcome == kGuardSilent || asker.answer.outcome == kGuardNobody));
        }
    }

    TEST_CASE("a socket that is left there is replaced; without one there is nobody") {
        TempDir dir;
        REQUIRE(GuardSocket::open(dir.path() + "/guard"));
        CHECK(access((dir.path() + "/guard").c_str(), F_OK) != 0);
        for (int i = 0; i < 2; ++i) {
            Asker asker(dir.path(), "gdm");
            asker.done();
            CHECK(asker.answer.outcome == kGuardNobody);
            close(open((dir.path() + "/guard").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));  // no socket
        }
        CHECK(GuardSocket::open(dir.path() + "/guard"));
        CHECK_FALSE(GuardSocket::open(dir.path() + "/" + std::string(200, 'x')));
    }
}
