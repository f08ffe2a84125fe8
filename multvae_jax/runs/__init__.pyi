from .checkpoints import Checkpoints as Checkpoints
from .checkpoints import load_state as load_state
from .checkpoints import save_state as save_state
from .loading import load_held_out_users as load_held_out_users
from .loading import load_run as load_run
from .pytrees import load_tree as load_tree
from .pytrees import save_tree as save_tree
from .run import Run as Run
