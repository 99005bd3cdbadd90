module liquidmetal.local/guest/web

go 1.24.0
