/// A function of the language: its name, what it takes and returns.
package struct Function: Sendable, Hashable {
    package let name: String
    package let argumentTypes: [ValueType]
    /// How many of the last argument there may be beyond those listed: 0 none, -1 any number; when not 0, the last one
    /// may also be left out.
    package let variadic: Int
    package let returnType: ValueType
    package let isExperimental: Bool

    private init(
        _ name: String, _ argumentTypes: [ValueType], variadic: Int = 0, returns: ValueType = .vector,
        experimental: Bool = false
    ) {
        self.name = name
        self.argumentTypes = argumentTypes
        self.variadic = variadic
        returnType = returns
        isExperimental = experimental
    }

    package static func named(_ name: String) -> Function? { all[name] }

    package static let all: [String: Function] = {
        var functions: [Function] = []
        for name in [
            "abs", "absent", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "deg", "exp",
            "floor", "histogram_avg", "histogram_count", "histogram_sum", "histogram_stddev", "histogram_stdvar", "ln",
            "log10", "log2", "rad", "sgn", "sin", "sinh", "sort", "sort_desc", "sqrt", "tan", "tanh", "timestamp",
        ] {
            functions.append(Function(name, [.vector]))
        }
        for name in [
            "absent_over_time", "avg_over_time", "changes", "count_over_time", "delta", "deriv", "idelta", "increase",
            "irate", "last_over_time", "max_over_time", "min_over_time", "present_over_time", "rate", "resets",
            "stddev_over_time", "stdvar_over_time", "sum_over_time",
        ] {
            functions.append(Function(name, [.matrix]))
        }
        for name in [
            "first_over_time", "mad_over_time", "ts_of_first_over_time", "ts_of_last_over_time",
            "ts_of_max_over_time", "ts_of_min_over_time",
        ] {
            functions.append(Function(name, [.matrix], experimental: true))
        }
        for name in [
            "day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month", "year",
        ] {
            functions.append(Function(name, [.vector], variadic: 1))
        }
        for name in ["start", "end", "step", "range"] {
            functions.append(Function(name, [], returns: .scalar, experimental: true))
        }
        for name in ["min_of", "max_of"] {
            functions.append(Function(name, [.scalar, .scalar], returns: .scalar, experimental: true))
        }
        for name in ["sort_by_label", "sort_by_label_desc"] {
            functions.append(Function(name, [.vector, .string], variadic: -1, experimental: true))
        }
        functions += [
            Function("clamp", [.vector, .scalar, .scalar]),
            Function("clamp_max", [.vector, .scalar]),
            Function("clamp_min", [.vector, .scalar]),
            Function("double_exponential_smoothing", [.matrix, .scalar, .scalar], experimental: true),
            Function("histogram_fraction", [.scalar, .scalar, .vector]),
            Function("histogram_quantile", [.scalar, .vector]),
            Function("histogram_quantiles", [.vector, .string, .scalar, .scalar], variadic: 9, experimental: true),
            Function("info", [.vector, .vector], variadic: 1, experimental: true),
            Function("label_join", [.vector, .string, .string, .string], variadic: -1),
            Function("label_replace", [.vector, .string, .string, .string, .string]),
            Function("pi", [], returns: .scalar),
            Function("predict_linear", [.matrix, .scalar]),
            Function("quantile_over_time", [.scalar, .matrix]),
            Function("round", [.vector, .scalar], variadic: 1),
            Function("scalar", [.vector], returns: .scalar),
            Function("time", [], returns: .scalar),
            Function("vector", [.scalar]),
        ]
        return Dictionary(uniqueKeysWithValues: functions.map { ($0.name, $0) })
    }()
}
