from .layouts import Layout as Layout
from .layouts import sequential as sequential
from .layouts import sharded as sharded
from .layouts import vmapped as vmapped
from .members import Member as Member
from .members import sweep as sweep
from .parts import Outcome as Outcome
