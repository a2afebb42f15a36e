// systemd over its private socket, which is there before any message bus and is for root alone: what
// systemctl(1) uses. Each connection hears of every job and unit; what is systemd's restart
// (daemon-reexec) ends it.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "engine/run/systemd.h"

struct sd_bus;
struct sd_bus_message;
struct sd_event;

namespace devmux {

class SystemdBus final : public Systemd {
  public:
    // `socket`: /run/systemd/private. `event` must outlive it: for sd-bus alone.
    SystemdBus(std::string socket, sd_event* event);
    ~SystemdBus() override;
    SystemdBus(const SystemdBus&) = delete;
    SystemdBus& operator=(const SystemdBus&) = delete;

    bool connect(SystemdListener& listener) override;
    bool look(const std::string& unit, SystemdReply<SystemdUnit> reply) override;
    bool start(const std::string& unit, SystemdReply<uint32_t> reply) override;
    bool stop(const std::string& unit, SystemdReply<uint32_t> reply) override;
    bool reload(const std::string& unit, SystemdReply<uint32_t> reply) override;
    bool reset_failed(const std::string& unit, SystemdReply<uint32_t> reply) override;
    bool start_script(const TransientScript& script, SystemdReply<uint32_t> reply) override;

  private:
    struct Call;
    using OnAnswer = std::function<void(sd_bus_message*)>;
    bool open();
    bool begin();
    bool send(sd_bus_message* message, OnAnswer answer);
    bool job(const char* method, const std::string& unit, SystemdReply<uint32_t> reply);
    void close();
    static void answered(sd_bus_message* message, Call& call);
    void removed(sd_bus_message* message);
    void lost();

    std::string socket_;
    sd_event* event_;
    sd_bus* bus_ = nullptr;
    SystemdListener* listener_ = nullptr;
    std::list<std::unique_ptr<Call>> calls_;
};

}  // namespace devmux
