#pragma once

#include <cstdint>
#include <string>
#include <vector>

/** ONNX files of a few nodes, written by hand. */
namespace small_graph {

inline std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

inline std::string Number(int field, uint64_t value) {
  return Varint(static_cast<uint64_t>(field) << 3) + Varint(value);
}

inline std::string Text(int field, const std::string &value) {
  return Varint(static_cast<uint64_t>(field) << 3 | 2) + Varint(value.size()) + value;
}

/** A chain of nodes without attributes from `images` to `answer`; `shape`'s negative sizes are left open. */
struct Node {
  std::string name;
  std::string type;
};

inline std::string Onnx(const std::vector<Node> &nodes, const std::vector<int64_t> &shape) {
  const auto value = [](const std::string &name, const std::vector<int64_t> &sizes) {
    std::string dimensions;
    for (const int64_t size : sizes) {
      dimensions +=
          Text(1, size < 0 ? Text(2, "open" + std::to_string(-size)) : Number(1, static_cast<uint64_t>(size)));
    }
    const int kFloat = 1;
    return Text(1, name) + Text(2, Text(1, Number(1, kFloat) + Text(2, dimensions)));
  };
  std::string graph;
  std::string from = "images";
  for (const Node &node : nodes) {
    const std::string to = &node == &nodes.back() ? "answer" : node.name + "/out";
    graph += Text(1, Text(1, from) + Text(2, to) + Text(3, node.name) + Text(4, node.type));
    from = to;
  }
  graph += Text(2, "small") + Text(11, value("images", shape)) + Text(12, value("answer", shape));
  return Number(1, 8) + Text(7, graph) + Text(8, Number(2, 17));
}

}  // namespace small_graph
