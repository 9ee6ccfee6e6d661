#pragma once
namespace sluice { struct Matcher {}; }
