"""What is done with artifacts: deploy, fetch, copy, move, trash; one way for every face."""
