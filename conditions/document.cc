// yaml-cpp's events, turned into a tree that forgives nothing.
#include "conditions/document.h"

#include <yaml-cpp/yaml.h>
#include <yaml-cpp/eventhandler.h>

#include <sstream>

#include "conditions/text.h"

namespace devmux {
namespace {

// Thrown through yaml-cpp's parser, and caught at its door.
struct Refused {
    Error error;
};

std::string line_of(std::string_view text, int line) {
    for (int i = 1; i < line; ++i) {
        size_t end = text.find('\n');
        if (end == std::string_view::npos) return "";
        text.remove_prefix(end + 1);
    }
    return std::string(text.substr(0, text.find('\n')));
}

class Builder : public YAML::EventHandler {
  public:
    Builder(const std::string& file, std::string_view source) : file_(file), source_(source) {}

    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { add(make(Node::Kind::Null, mark)); }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
        refuse(mark, "aliases (*name) are not read here", "write the value out");
    }
    void OnAnchor(const YAML::Mark& mark, const std::string&) override {
        refuse(mark, "anchors (&name) are not read here", "write the value out where it is needed");
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  const std::string& value) override {
        check_tag(mark, tag);
        Node node = make(Node::Kind::Scalar, mark);
        node.text = value;
        node.plain = tag == "?";
        if (node.plain) node.comment = comment_behind(mark, value);
        else if (never_closed(mark)) refuse(mark, "this quote is never closed", "");
        if (value.find('\0') != std::string::npos) refuse(mark, "a NUL byte in a text", "");
        add(std::move(node));
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                         YAML::EmitterStyle::value style) override {
        open(Node::Kind::List, mark, tag, style);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                    YAML::EmitterStyle::value style) override {
        open(Node::Kind::Map, mark, tag, style);
    }
    void OnMapEnd() override { close(); }

    Node root;
    bool has_root = false;

  private:
    // What YAML cuts off silently: `when: mouse #1` means `mouse`.
    std::string comment_behind(const YAML::Mark& mark, const std::string& value) const {
        std::string line = line_of(source_, mark.line + 1);
        size_t end = static_cast<size_t>(mark.column) + value.size();
        if (end >= line.size() || line.compare(static_cast<size_t>(mark.column), value.size(), value) != 0) return "";
        size_t hash = line.find_first_not_of(" \t", end);
        return hash != std::string::npos && hash > end && line[hash] == '#' ? line.substr(hash + 1) : "";
    }
    // yaml-cpp takes the end of the file for the end of a quoted text.
    bool never_closed(const YAML::Mark& mark) const {
        auto at = static_cast<size_t>(mark.pos);
        if (at >= source_.size() || (source_[at] != '"' && source_[at] != '\'')) return false;
        char quote = source_[at];
        for (++at; at < source_.size(); ++at) {
            if (quote == '"' && source_[at] == '\\') ++at;
            else if (source_[at] == quote) return false;
        }
        return true;
    }
    [[noreturn]] void refuse(const YAML::Mark& mark, std::string what, std::string hint) const {
        throw Refused{{.where = place(mark), .what = std::move(what), .source = "", .caret = -1,
                       .hint = std::move(hint)}};
    }
    Mark place(const YAML::Mark& mark) const { return {file_, mark.line + 1, mark.column + 1}; }
    Node make(Node::Kind kind, const YAML::Mark& mark) const {
        Node node;
        node.kind = kind;
        node.mark = place(mark);
        return node;
    }
    // "?" = plain, "!" = quoted; anything else asks for a type that nothing here has.
    void check_tag(const YAML::Mark& mark, const std::string& tag) const {
        if (!tag.empty() && tag != "?" && tag != "!")
            refuse(mark, "tags (" + quoted(printable(tag)) + ") are not read here", "leave it out");
    }
    void open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag,
              YAML::EmitterStyle::value style) {
        check_tag(mark, tag);
        if (stack_.size() >= kDocumentDepth)
            refuse(mark, "nested deeper than " + std::to_string(kDocumentDepth) + " levels", "");
        Node node = make(kind, mark);
        node.flow = style == YAML::EmitterStyle::Flow;
        stack_.push_back({std::move(node), {}, false});
    }
    void close() {
        Node node = std::move(stack_.back().node);
        stack_.pop_back();
        add(std::move(node));
    }
    void add(Node node) {
        if (++nodes_ > kDocumentNodes)
            throw Refused{error_at(node, "more than " + std::to_string(kDocumentNodes) + " values")};
        if (stack_.empty()) {
            root = std::move(node);
            has_root = true;
            return;
        }
        Open& top = stack_.back();
        if (top.node.kind == Node::Kind::List) {
            top.node.items.push_back(std::move(node));
        } else if (!top.has_key) {
            if (node.kind != Node::Kind::Scalar)
                throw Refused{error_at(node, "a key must be a word, found " + described(node))};
            if (const Node* before = top.node.find(node.text)) {
                for (const auto& [key, value] : top.node.entries)
                    if (&value == before)
                        throw Refused{error_at(
                            node, "the key " + quoted(printable(node.text)) + " stands here again",
                            "it stands in line " + std::to_string(key.mark.line) + " already")};
            }
            top.key = std::move(node);
            top.has_key = true;
        } else {
            top.node.entries.push_back({std::move(top.key), std::move(node)});
            top.has_key = false;
        }
    }

    struct Open {
        Node node;
        Node key;
        bool has_key;
    };
    std::string file_;
    std::string_view source_;
    std::vector<Open> stack_;
    size_t nodes_ = 0;
};

// Shows the line of the file that the error stands in, unless it shows something already.
void add_source(Error& error, std::string_view text) {
    if (!error.source.empty() || error.where.line <= 0) return;
    std::string line = line_of(text, error.where.line);
    if (line.size() > 160) return;
    error.source = printable(line);
    error.caret = error.where.column > 0 ? error.where.column - 1 : -1;
}

// A flow collection inside a flow collection costs yaml-cpp's scanner time that grows with the
// square of the depth, before it tells us anything: look at the brackets first.
bool too_deep(std::string_view text) {
    size_t depth = 0;
    for (char c : text) {
        if (c == '[' || c == '{') {
            if (++depth > 8 * kDocumentDepth) return true;
        } else if ((c == ']' || c == '}') && depth > 0) {
            --depth;
        }
    }
    return false;
}

}  // namespace

const Node* Node::find(std::string_view key) const {
    for (const auto& [k, v] : entries)
        if (k.text == key) return &v;
    return nullptr;
}

std::string described(const Node& node) {
    switch (node.kind) {
        case Node::Kind::Null: return "nothing";
        case Node::Kind::List: return "a list";
        case Node::Kind::Map: return "a map";
        case Node::Kind::Scalar: break;
    }
    std::string text = node.text.size() > 60 ? node.text.substr(0, 57) + "..." : node.text;
    return quoted(printable(text));
}

Error error_at(const Node& node, std::string what, std::string hint) {
    return {.where = node.mark, .what = std::move(what), .source = "", .caret = -1,
            .hint = std::move(hint)};
}

Result<Node> read_document(std::string_view text, const std::string& file) {
    auto whole = [&](std::string what, std::string hint) {
        return Error{.where = {file, 0, 0}, .what = std::move(what), .source = "", .caret = -1,
                     .hint = std::move(hint)};
    };
    if (text.size() > kDocumentBytes)
        return whole("has " + std::to_string(text.size()) + " bytes, more than the " +
                         std::to_string(kDocumentBytes) + " that a file may have", "");
    if (size_t nul = text.find('\0'); nul != std::string_view::npos)
        return whole("is no text: byte " + std::to_string(nul) + " is a NUL", "");
    if (too_deep(text)) return whole("brackets are nested too deep", "");
    Builder builder(file, text);
    try {
        std::istringstream stream{std::string(text)};
        YAML::Parser parser(stream);
        if (!parser.HandleNextDocument(builder) || !builder.has_root ||
            builder.root.kind == Node::Kind::Null)
            return whole("is empty", "a unit needs at least a condition and a service");
        Builder second(file, text);
        if (parser.HandleNextDocument(second) && second.has_root)
            return whole("holds more than one document (---)", "one file is one unit");
        return std::move(builder.root);
    } catch (Refused& refused) {
        add_source(refused.error, text);
        return refused.error;
    } catch (const YAML::Exception& e) {
        Error error{.where = {file, e.mark.is_null() ? 0 : e.mark.line + 1,
                              e.mark.is_null() ? 0 : e.mark.column + 1},
                    .what = "this is not YAML: " + e.msg, .source = "", .caret = -1, .hint = ""};
        add_source(error, text);
        return error;
    }
}

}  // namespace devmux
