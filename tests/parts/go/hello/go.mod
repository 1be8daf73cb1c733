module entrepot.invalid/parts/hello

go 1.24
