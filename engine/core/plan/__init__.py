"""From a plan to node roles: rules, binding, differences, and saving a plan."""
