import JSON

/// Reads `ExportMetricsServiceRequest` from OTLP's JSON mapping: keys in lowerCamelCase, 64-bit integers as decimal
/// strings (numbers are taken too), enumerations as numbers, doubles also as "NaN", "Infinity" and "-Infinity",
/// unknown keys passed over.
struct OTLPJSON {
    private var reader: JSONReader
    /// Objects and array elements that may still come.
    private var itemsLeft: Int
    /// The request's own structure takes 14 levels up to an attribute's value.
    private static var depthMax: Int { 48 }

    init(_ body: UnsafeRawBufferPointer, itemsMax: Int) {
        reader = JSONReader(body, depthMax: Self.depthMax)
        itemsLeft = itemsMax
    }

    mutating func request() throws(InterchangeError) -> OTLPRequest {
        do throws(JSONError) {
            var request = OTLPRequest()
            try object { json, key throws(JSONError) in
                guard json.reader.matches(key, "resourceMetrics") else { return false }
                try json.array { json throws(JSONError) in request.resources.append(try json.resource()) }
                return true
            }
            reader.skipWhitespace()
            guard reader.isAtEnd else {
                throw JSONError(
                    problem: .expected(JSONError.StaticText("the end of the body")), offset: reader.position)
            }
            return request
        } catch {
            throw InterchangeError(.byte(error.offset), error.reason)
        }
    }

    // MARK: structure

    /// One object; `read` takes the values that it knows and says so. Null stands for an object without members.
    private mutating func object(
        _ read: (inout OTLPJSON, JSONString) throws(JSONError) -> Bool
    ) throws(JSONError) {
        if try reader.peekKind() == .null { return try reader.readNull() }
        try reader.enterObject()
        while let key = try reader.nextKey() {
            if try reader.peekKind() == .null {
                try reader.readNull()
            } else if try !read(&self, key) {
                try reader.skipValue()
            }
        }
    }

    private mutating func array(_ read: (inout OTLPJSON) throws(JSONError) -> Void) throws(JSONError) {
        try reader.enterArray()
        while try reader.nextElement() {
            guard itemsLeft > 0 else { throw wrong("fewer items in one request") }
            itemsLeft -= 1
            try read(&self)
        }
    }

    private mutating func resource() throws(JSONError) -> OTLPRequest.Resource {
        var resource = OTLPRequest.Resource()
        try object { json, key throws(JSONError) in
            if json.reader.matches(key, "resource") {
                try json.object { json, key throws(JSONError) in
                    guard json.reader.matches(key, "attributes") else { return false }
                    resource.attributes = try json.attributes()
                    return true
                }
            } else if json.reader.matches(key, "scopeMetrics") {
                try json.array { json throws(JSONError) in
                    try json.object { json, key throws(JSONError) in
                        guard json.reader.matches(key, "metrics") else { return false }
                        try json.array { json throws(JSONError) in resource.metrics.append(try json.metric()) }
                        return true
                    }
                }
            } else {
                return false
            }
            return true
        }
        return resource
    }

    private mutating func metric() throws(JSONError) -> OTLPMetric {
        var metric = OTLPMetric()
        try object { json, key throws(JSONError) in
            if json.reader.matches(key, "name") {
                metric.name = try json.reader.readString()
            } else if json.reader.matches(key, "description") {
                metric.description = try json.reader.readString()
            } else if json.reader.matches(key, "unit") {
                metric.unit = try json.reader.readString()
            } else if let kind = json.kind(key) {
                metric.kind = kind
                try json.data(&metric)
            } else {
                return false
            }
            return true
        }
        return metric
    }

    private func kind(_ key: JSONString) -> OTLPMetric.Kind? {
        if reader.matches(key, "gauge") { return .gauge }
        if reader.matches(key, "sum") { return .sum }
        if reader.matches(key, "histogram") { return .histogram }
        if reader.matches(key, "exponentialHistogram") { return .exponentialHistogram }
        return reader.matches(key, "summary") ? .summary : nil
    }

    private mutating func data(_ metric: inout OTLPMetric) throws(JSONError) {
        try object { json, key throws(JSONError) in
            if json.reader.matches(key, "aggregationTemporality") {
                metric.temporality = try json.temporality()
            } else if json.reader.matches(key, "isMonotonic") {
                metric.isMonotonic = try json.reader.readBoolean()
            } else if json.reader.matches(key, "dataPoints") {
                try json.array { json throws(JSONError) in
                    metric.points.append(try json.point())
                }
            } else {
                return false
            }
            return true
        }
    }

    /// A data point of any kind; kinds have no key in common that means different things.
    private mutating func point() throws(JSONError) -> OTLPPoint {
        var point = OTLPPoint()
        try object { json, key throws(JSONError) in
            let reader = json.reader
            if reader.matches(key, "attributes") {
                point.attributes = try json.attributes()
            } else if reader.matches(key, "startTimeUnixNano") {
                point.startNanoseconds = try json.unsigned()
            } else if reader.matches(key, "timeUnixNano") {
                point.timeNanoseconds = try json.unsigned()
            } else if reader.matches(key, "flags") {
                point.flags = try json.unsigned()
            } else if reader.matches(key, "asDouble") {
                point.value = try json.double()
            } else if reader.matches(key, "asInt") {
                point.value = Double(try json.signed())
            } else if reader.matches(key, "count") {
                point.count = try json.unsigned()
            } else if reader.matches(key, "sum") {
                point.sum = try json.double()
            } else if reader.matches(key, "bucketCounts") {
                try json.array { json throws(JSONError) in point.bucketCounts.append(try json.unsigned()) }
            } else if reader.matches(key, "explicitBounds") {
                try json.array { json throws(JSONError) in point.bounds.append(try json.double()) }
            } else if reader.matches(key, "quantileValues") {
                try json.array { json throws(JSONError) in point.quantiles.append(try json.quantile()) }
            } else {
                return false
            }
            return true
        }
        return point
    }

    private mutating func quantile() throws(JSONError) -> (quantile: Double, value: Double) {
        var result = (quantile: 0.0, value: 0.0)
        try object { json, key throws(JSONError) in
            if json.reader.matches(key, "quantile") {
                result.quantile = try json.double()
            } else if json.reader.matches(key, "value") {
                result.value = try json.double()
            } else {
                return false
            }
            return true
        }
        return result
    }

    // MARK: attributes

    private mutating func attributes() throws(JSONError) -> [OTLPAttribute] {
        var attributes: [OTLPAttribute] = []
        try array { json throws(JSONError) in
            var attribute = OTLPAttribute()
            try json.object { json, key throws(JSONError) in
                if json.reader.matches(key, "key") {
                    attribute.key = try json.reader.readString()
                } else if json.reader.matches(key, "value") {
                    attribute.value = try json.value()
                } else {
                    return false
                }
                return true
            }
            attributes.append(attribute)
        }
        return attributes
    }

    private mutating func value() throws(JSONError) -> OTLPValue {
        var value = OTLPValue.none
        try object { json, key throws(JSONError) in
            if json.reader.matches(key, "stringValue") {
                value = .string(try json.reader.readString())
            } else if json.reader.matches(key, "boolValue") {
                value = .boolean(try json.reader.readBoolean())
            } else if json.reader.matches(key, "intValue") {
                value = .integer(try json.signed())
            } else if json.reader.matches(key, "doubleValue") {
                value = .double(try json.double())
            } else if json.reader.matches(key, "bytesValue") {
                // Base64 in JSON, and base64 as a label's value.
                value = .string(try json.reader.readString())
            } else if json.reader.matches(key, "arrayValue") {
                var values: [OTLPValue] = []
                try json.list { json throws(JSONError) in values.append(try json.value()) }
                value = .array(values)
            } else if json.reader.matches(key, "kvlistValue") {
                try json.object { json, key throws(JSONError) in
                    guard json.reader.matches(key, "values") else { return false }
                    value = .map(try json.attributes())
                    return true
                }
            } else {
                return false
            }
            return true
        }
        return value
    }

    /// `{"values": […]}`.
    private mutating func list(_ read: (inout OTLPJSON) throws(JSONError) -> Void) throws(JSONError) {
        try object { json, key throws(JSONError) in
            guard json.reader.matches(key, "values") else { return false }
            try json.array(read)
            return true
        }
    }

    /// A number, or the enumeration's name, which protobuf's own JSON mapping writes.
    private mutating func temporality() throws(JSONError) -> UInt64 {
        guard try reader.peekKind() == .string else { return try unsigned() }
        switch try reader.readString() {
        case "AGGREGATION_TEMPORALITY_DELTA", "1": return 1
        case "AGGREGATION_TEMPORALITY_CUMULATIVE", "2": return 2
        default: return 0
        }
    }

    // MARK: numbers

    private func wrong(_ what: StaticString) -> JSONError {
        JSONError(problem: .expected(JSONError.StaticText(what)), offset: reader.position)
    }

    private mutating func signed() throws(JSONError) -> Int64 {
        if try reader.peekKind() == .string {
            guard let value = Int64(try reader.readString()) else { throw wrong("a whole number") }
            return value
        }
        guard let value = try reader.readNumber().wholeValue else { throw wrong("a whole number") }
        return value
    }

    private mutating func unsigned() throws(JSONError) -> UInt64 {
        if try reader.peekKind() == .string {
            guard let value = UInt64(try reader.readString()) else { throw wrong("a whole number from 0") }
            return value
        }
        guard let value = try reader.readNumber().wholeValue, value >= 0 else { throw wrong("a whole number from 0") }
        return UInt64(value)
    }

    private mutating func double() throws(JSONError) -> Double {
        guard try reader.peekKind() == .string else { return try reader.readNumber().doubleValue }
        switch try reader.readString() {
        case "NaN": return .nan
        case "Infinity": return .infinity
        case "-Infinity": return -.infinity
        case let text:
            guard let value = NumberText.number(text) else { throw wrong("a number") }
            return value
        }
    }
}
