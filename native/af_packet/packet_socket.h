#pragma once
namespace sluice { struct PacketSocket {}; }
