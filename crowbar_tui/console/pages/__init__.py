"""The screens, in the order of their digits."""

from __future__ import annotations

from .events import EventsScreen
from .health import HealthScreen
from .networks import NetworksScreen
from .nodes import NodesScreen
from .plan import PlanScreen
from .rack import RackScreen
from .roles import RolesScreen
from .topology import TopologyScreen

SCREENS = (
    NodesScreen,
    RackScreen,
    TopologyScreen,
    RolesScreen,
    PlanScreen,
    NetworksScreen,
    EventsScreen,
    HealthScreen,
)
