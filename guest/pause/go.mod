module liquidmetal.local/guest/pause

go 1.24.0
