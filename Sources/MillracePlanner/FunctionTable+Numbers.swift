import MillraceCore

extension FunctionTable {
    static let numbers: [FunctionDeclaration] =
        [
            function(
                "ABS", to: .abs, [.numeric], result: ResultType.argument(0),
                "The absolute value; wraps at the smallest integer"),
            function(
                "FLOOR", to: .floor, [.numeric], result: ResultType.wholeNumber, "The greatest whole number not above x"
            ),
            function(
                "CEIL", "CEILING", to: .ceil, [.numeric], result: ResultType.wholeNumber,
                "The least whole number not below x"),
            function(
                "ROUND", to: .round, [.numeric, .integer], optional: 1, result: ResultType.argument(0),
                "x rounded to n digits, halves away from zero"),
            function(
                "TRUNCATE", "TRUNC", to: .truncate, [.numeric, .integer], optional: 1, result: ResultType.argument(0),
                "x cut to n digits"),
            function(
                "BIN", to: .bin, [.integer], result: ResultType.always(.string),
                "As binary digits, 64 for a negative number"),
            function("SIGN", to: .sign, [.numeric], result: ResultType.argument(0), "-1, 0 or 1"),
            function(
                "LOG", to: .log, [.double, .double], optional: 1, result: ResultType.always(.double),
                "LOG(x) is the natural logarithm, LOG(base, x) that of a base"),
            function(
                "POWER", "POW", to: .power, [.double, .double], result: ResultType.always(.double), "x to the power y"),
            function(
                "ATAN2", to: .atan2, [.double, .double], result: ResultType.always(.double), "The angle of (x, y)"),
            function("PI", to: .pi, [], result: ResultType.always(.double), "The number pi"),
            function("E", to: .e, [], result: ResultType.always(.double), "The number e"),
            function(
                "RAND", to: .rand, [.integer], optional: 1, result: ResultType.always(.double), "A DOUBLE in [0, 1)"),
            function(
                "RAND_INTEGER", to: .randInteger, [.integer, .integer], optional: 1,
                result: ResultType.always(.integer),
                "An INT in [0, bound)"),
        ]
        + [
            (["SQRT"], BuiltinFunction.sqrt, "The square root"), (["EXP"], .exp, "e to the power x"),
            (["LN"], .ln, "The natural logarithm"), (["LOG10"], .log10, "The logarithm to base 10"),
            (["LOG2"], .log2, "The logarithm to base 2"), (["SIN"], .sin, "The sine"), (["COS"], .cos, "The cosine"),
            (["TAN"], .tan, "The tangent"), (["COT"], .cot, "The cotangent"), (["ASIN"], .asin, "The arc sine"),
            (["ACOS"], .acos, "The arc cosine"), (["ATAN"], .atan, "The arc tangent"),
            (["SINH"], .sinh, "The hyperbolic sine"), (["COSH"], .cosh, "The hyperbolic cosine"),
            (["TANH"], .tanh, "The hyperbolic tangent"), (["DEGREES"], .degrees, "Radians as degrees"),
            (["RADIANS"], .radians, "Degrees as radians"),
        ].map { names, function, documentation in
            FunctionDeclaration(
                names: names,
                overloads: [
                    FunctionOverload(parameters: [.double], function: function, result: ResultType.always(.double))
                ],
                documentation: documentation)
        }
}
