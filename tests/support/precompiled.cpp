// SPDX-License-Identifier: Apache-2.0
// Empty: it gives the shared precompiled header a target that owns it.
