/// A hwmon file's name taken apart: `temp1_crit_alarm` is property `crit_alarm` of sensor `temp1`.
struct HardwareSensorName: Equatable {
    let sensor: String
    /// Empty for a file without one, such as `pwm1`.
    let property: String

    private static let types: Set<String> = [
        "vrm", "beep_enable", "update_interval", "in", "cpu", "fan", "pwm", "temp", "curr", "power", "energy",
        "humidity", "intrusion",
    ]

    /// `<type not of digits><number>[_<property>]`; nil for other files and types.
    init?(_ file: String) {
        let bytes = Array(file.utf8)
        var digits = 0
        while digits < bytes.count, !Self.isDigit(bytes[digits]) { digits += 1 }
        var end = digits
        while end < bytes.count, Self.isDigit(bytes[end]) { end += 1 }
        if end == digits {
            // No number: the whole name is the type, `update_interval`.
            guard Self.types.contains(file) else { return nil }
            sensor = file + "0"
            property = ""
            return
        }
        let type = String(decoding: bytes[..<digits], as: UTF8.self)
        guard Self.types.contains(type), let number = Int(String(decoding: bytes[digits..<end], as: UTF8.self))
        else { return nil }
        guard end == bytes.count || bytes[end] == UInt8(ascii: "_") && end + 1 < bytes.count else { return nil }
        sensor = "\(type)\(number)"
        property = end == bytes.count ? "" : String(decoding: bytes[(end + 1)...], as: UTF8.self)
    }

    /// The type of a sensor as ``sensor`` names it.
    static func type(of sensor: String) -> String {
        String(sensor.prefix { !("0"..."9").contains($0) })
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
}

/// The metric of one property of a sensor: name, unit and scale as node_exporter's.
struct HardwareSensorMetric {
    let name: String
    let scale: SensorAttribute.Scale
    let isCounter: Bool

    /// - Parameter hasBareValue: the sensor also has a file without property, so `_input` is told apart.
    init(type: String, property: String, hasBareValue: Bool) {
        switch type {
        case "beep_enable": self.init("node_hwmon_beep_enabled")
        case "vrm": self.init("node_hwmon_voltage_regulator_version")
        case "update_interval": self.init("node_hwmon_update_interval_seconds", .divided(1000))
        default:
            var name = "node_hwmon_" + type
            if property == "input" {
                if hasBareValue { name += "_input" }
            } else if !property.isEmpty {
                name += "_" + HardwareMonitorCollector.cleaned(property)
            }
            self.init(type: type, property: property, name: name)
        }
    }

    private init(type: String, property: String, name: String) {
        switch (type, property) {
        case (_, "fault"), (_, "alarm"): self.init(name)
        case (_, "beep"): self.init(name + "_enabled")
        case ("in", _), ("cpu", _): self.init(name + "_volts", .divided(1000))
        case ("temp", let property) where property != "type": self.init(name + "_celsius", .divided(1000))
        case ("curr", _): self.init(name + "_amps", .divided(1000))
        case ("energy", _): self.init(name + "_joule_total", .divided(1e6), isCounter: true)
        case ("power", "accuracy"): self.init(name, .divided(1e6))
        case ("power", "average_interval"), ("power", "average_interval_min"), ("power", "average_interval_max"):
            self.init(name + "_seconds", .divided(1000))
        case ("power", _): self.init(name + "_watt", .divided(1e6))
        case ("humidity", _): self.init(name, .divided(1e6))
        case ("fan", "input"), ("fan", "min"), ("fan", "max"), ("fan", "target"): self.init(name + "_rpm")
        default: self.init(name)
        }
    }

    private init(_ name: String, _ scale: SensorAttribute.Scale = .one, isCounter: Bool = false) {
        self.name = name
        self.scale = scale
        self.isCounter = isCounter
    }
}
