{
  "variables": { "sluice_asan%": 0 },
  "targets": [
    {
      "target_name": "sluice",
      "sources": [
        "binding.cc",
        "ring/binding.cc",
        "ring/shared_memory.cc",
        "capture/binding.cc",
        "af_packet/binding.cc",
        "af_packet/packet_socket.cc",
        "af_packet/interface.cc",
        "nfnetlink/binding.cc",
        "nfnetlink/log_socket.cc",
        "nfnetlink/message.cc",
        "nfnetlink/packet_message.cc",
        "nfnetlink/queue_socket.cc",
        "nfnetlink/raw_sender.cc",
        "nfnetlink/slot_source.cc",
        "magic/binding.cc",
        "magic/magic.cc",
        "matching/binding.cc",
        "matching/database.cc",
        "pcre/binding.cc",
        "pcre/regex.cc",
        "process/binding.cc",
        "process/process.cc",
        "traffic/binding.cc",
        "traffic/queue_floor.cc",
        "traffic/traffic.cc"
      ],
      "include_dirs": ["<!@(node -p \"require('node-addon-api').include_dir\")", "."],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_DEPRECATED", "NAPI_CPP_EXCEPTIONS"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti"],
      "cflags_cc": ["-std=c++20", "-O3", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-fexceptions"],
      "libraries": ["-lhs", "-lpcre2-8"],
      "conditions": [
        ["sluice_asan==1", {
          "cflags_cc": ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-O1", "-g"],
          "ldflags": ["-fsanitize=address,undefined"]
        }]
      ]
    }
  ]
}
