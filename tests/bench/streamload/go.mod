module streamload

go 1.21
