module bulkhead

go 1.26
