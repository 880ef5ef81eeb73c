// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>
#include <string>

/// Certificates that are made while the tests run, so that none can expire.
namespace test_certificates {

struct credentials {
    std::string certificate;  ///< PEM, as the key
    std::string key;
};

struct deleter {
    void operator()(EVP_PKEY* p) const noexcept { ::EVP_PKEY_free(p); }
    void operator()(X509* p) const noexcept { ::X509_free(p); }
    void operator()(BIO* p) const noexcept { ::BIO_free(p); }
    void operator()(X509_EXTENSION* p) const noexcept { ::X509_EXTENSION_free(p); }
};
template <class T>
using owned = std::unique_ptr<T, deleter>;

inline void expect(bool worked) {
    if (!worked) { throw std::runtime_error("making a certificate failed"); }
}

[[nodiscard]] inline EVP_PKEY* make_key() {
    std::string curve = "P-256";
    return ::EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve.data());
}

template <class Write>
std::string to_pem(Write write) {
    const owned<BIO> text(::BIO_new(::BIO_s_mem()));
    expect(write(text.get()) == 1);
    char* bytes = nullptr;
    const long n = BIO_get_mem_data(text.get(), &bytes);
    return {bytes, static_cast<std::size_t>(n)};
}

inline void add_extension(X509& to, X509& issuer, int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    ::X509V3_set_ctx(&context, &issuer, &to, nullptr, nullptr, 0);
    const owned<X509_EXTENSION> extension(
        ::X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
    expect(extension != nullptr && ::X509_add_ext(&to, extension.get(), -1) == 1);
}

/// Signs for others, and itself.
class authority {
public:
    explicit authority(const std::string& name = "test authority") : key_(make_key()) {
        certificate_ = make(*key_, name, "", true);
        pem_ = to_pem([&](BIO* b) { return ::PEM_write_bio_X509(b, certificate_.get()); });
    }
    [[nodiscard]] const std::string& certificate() const noexcept { return pem_; }

    /// `names`: as OpenSSL writes alternative names, `DNS:localhost,IP:127.0.0.1`.
    [[nodiscard]] credentials issue(const std::string& subject, const std::string& names,
                                    long seconds = 3600) const {
        const owned<EVP_PKEY> key(make_key());
        const auto made = make(*key, subject, names, false, seconds);
        return {to_pem([&](BIO* b) { return ::PEM_write_bio_X509(b, made.get()); }),
                to_pem([&](BIO* b) {
                    return ::PEM_write_bio_PrivateKey(b, key.get(), nullptr, nullptr, 0, nullptr,
                                                      nullptr);
                })};
    }

private:
    [[nodiscard]] owned<X509> make(EVP_PKEY& key, const std::string& subject,
                                   const std::string& names, bool is_authority,
                                   long seconds = 3600) const {
        owned<X509> made(::X509_new());
        expect(made != nullptr && ::X509_set_version(made.get(), 2) == 1);
        static long serial = 1;
        ::ASN1_INTEGER_set(::X509_get_serialNumber(made.get()), serial++);
        ::X509_gmtime_adj(::X509_getm_notBefore(made.get()), -7200);
        ::X509_gmtime_adj(::X509_getm_notAfter(made.get()), seconds);
        expect(::X509_set_pubkey(made.get(), &key) == 1);
        const auto* text = reinterpret_cast<const unsigned char*>(subject.c_str());
        expect(::X509_NAME_add_entry_by_txt(::X509_get_subject_name(made.get()), "CN",
                                            MBSTRING_UTF8, text, -1, -1, 0)
               == 1);
        X509& issuer = is_authority ? *made : *certificate_;
        expect(::X509_set_issuer_name(made.get(), ::X509_get_subject_name(&issuer)) == 1);
        add_extension(*made, issuer, NID_basic_constraints,
                      is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
        if (!names.empty()) { add_extension(*made, issuer, NID_subject_alt_name, names); }
        expect(::X509_sign(made.get(), key_.get(), ::EVP_sha256()) > 0);
        return made;
    }

    owned<EVP_PKEY> key_;
    owned<X509> certificate_;
    std::string pem_;
};

}  // namespace test_certificates
