module entrepot/bench/load

go 1.21
