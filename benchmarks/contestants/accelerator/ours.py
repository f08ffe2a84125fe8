"""The sections of this program."""

from __future__ import annotations

from benchmarks.contestants.accelerator import forms, ranking, speed, training

SECTIONS = {
    "device": speed.device,
    "speed": speed.speed,
    "training": training.training,
    "recipe": training.whole_recipe,
    "forms": forms.forms,
    "profile": training.profile,
    "ranking": ranking.ranking,
    "members": training.members,
    "blocks": training.blocks,
}
