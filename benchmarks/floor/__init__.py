"""The floor: the least that a start and a check can be in REST framework, without our rules."""
