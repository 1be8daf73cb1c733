// The `rt` and `config` commands of the JFrog CLI as a program of their own, to drive the server as people's scripts do.
package main

import (
	"github.com/jfrog/jfrog-cli-artifactory/cli"
	"github.com/jfrog/jfrog-cli-core/v2/plugins"
)

func main() {
	app := cli.GetJfrogCliArtifactoryApp()
	app.Subcommands = append(app.Subcommands, configuration())
	plugins.PluginMain(app)
}
