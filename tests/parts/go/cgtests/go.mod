module entrepot.invalid/parts/cgtests

go 1.25.0

require github.com/jfrog/jfrog-client-go v1.55.0 // indirect
