#pragma once
namespace sluice { struct RegexTable {}; }
