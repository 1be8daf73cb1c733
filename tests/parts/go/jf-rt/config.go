package main

import (
	"errors"

	"github.com/jfrog/jfrog-cli-core/v2/common/commands"
	"github.com/jfrog/jfrog-cli-core/v2/plugins/components"
	"github.com/jfrog/jfrog-cli-core/v2/utils/config"
)

// configuration gives the verbs of `jf config`. What they do is JFrog's; only the words on the command line are read here.
func configuration() components.Namespace {
	return components.Namespace{
		Name:        "config",
		Description: "Server configurations.",
		Commands: []components.Command{
			{Name: "add", Arguments: identified(), Flags: addFlags(), Action: add},
			{Name: "show", Arguments: identified(), Action: named(commands.ShowConfig)},
			{Name: "export", Arguments: identified(), Action: named(commands.Export)},
			{Name: "import", Arguments: []components.Argument{{Name: "token"}}, Action: named(commands.Import)},
			{Name: "use", Arguments: identified(), Action: named(func(server string) error {
				return commands.NewConfigCommand(commands.Use, server).Run()
			})},
			{Name: "remove", Arguments: identified(), Action: named(func(server string) error {
				return commands.NewConfigCommand(commands.Delete, server).Run()
			})},
		},
	}
}

func identified() []components.Argument {
	return []components.Argument{{Name: "server-id", Optional: true}}
}

func addFlags() []components.Flag {
	flags := []components.Flag{
		components.NewBoolFlag("enc-password", "Have the password encrypted by the server.", components.WithBoolDefaultValueTrue()),
		components.NewBoolFlag("basic-auth-only", "Keep to the password."),
	}
	for _, name := range []string{"url", "artifactory-url", "user", "password", "access-token"} {
		flags = append(flags, components.NewStringFlag(name, name))
	}
	return flags
}

func named(run func(string) error) components.ActionFunc {
	return func(c *components.Context) error {
		if len(c.Arguments) == 0 {
			return run("")
		}
		return run(c.Arguments[0])
	}
}

func add(c *components.Context) error {
	if len(c.Arguments) != 1 {
		return errors.New("the server's id is needed")
	}
	details := &config.ServerDetails{
		Url:            c.GetStringFlagValue("url"),
		ArtifactoryUrl: c.GetStringFlagValue("artifactory-url"),
		User:           c.GetStringFlagValue("user"),
		Password:       c.GetStringFlagValue("password"),
		AccessToken:    c.GetStringFlagValue("access-token"),
	}
	return commands.NewConfigCommand(commands.AddOrEdit, c.Arguments[0]).
		SetDetails(details).
		SetEncPassword(c.GetBoolFlagValue("enc-password")).
		SetUseBasicAuthOnly(c.GetBoolFlagValue("basic-auth-only")).
		Run()
}
