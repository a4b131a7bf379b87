"""The participant's agent."""

from node.agent.run import run_agent

__all__ = ["run_agent"]
