"""Delivery to Mattermost: one attempt, its HTTP request, alerts without a run."""
