"""What agent and orchestrator share: messages, their codec, finding codes, stages, placeholders. Standard library only;
the one part of the agent that the orchestrator imports."""
