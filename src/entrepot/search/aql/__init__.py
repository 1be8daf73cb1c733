"""The Artifactory Query Language: text to a typed tree, the tree to SQL with parameters, rows to JSON."""
