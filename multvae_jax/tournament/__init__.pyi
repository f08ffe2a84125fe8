from .rounds import Match as Match
from .rounds import Round as Round
from .rounds import Tournament as Tournament
from .rounds import try_idea as try_idea
from .trials import Contender as Contender
from .trials import Trial as Trial
